"""Becomes JupyterHub with the environment and the files that the example's values give its pod."""

import json
import os
import sys
from pathlib import Path

import pod
import yaml

hub = yaml.safe_load(Path(os.environ["VALUES"]).read_text())["hub"]
# the operator puts the issuer's CA into the Secret; a standalone provider knows none
secrets = {"jupyterhub-oidc": pod.secret(os.environ["SECRET"]) | {"ca.crt": Path(os.environ["CA_FILE"]).read_text()}}
container = {"env": hub["extraEnv"], "volumeMounts": hub["extraVolumeMounts"]}
places = pod.mount({"volumes": hub["extraVolumes"]}, container, secrets, Path("pod").absolute())
env = {name: value for name, value in os.environ.items() if name != "REQUESTS_CA_BUNDLE"}
env |= pod.placed(pod.environment(container, secrets), places)
env["HUB_CONFIG"] = json.dumps(pod.placed(hub["config"], places))
os.execve(sys.executable, [sys.executable, "-m", "jupyterhub", "--config=jupyterhub_config.py"], env)
