"""Becomes the application, with the environment and the files that the example's Deployment gives its pod."""

import os
import subprocess
import sys
from pathlib import Path

import pod
import yaml

spec = yaml.safe_load(Path(os.environ["DEPLOYMENT"]).read_text())["spec"]["template"]["spec"]
# the operator puts the issuer's CA into the Secret; a standalone provider knows none
secrets = {"orders-oidc": pod.secret(os.environ["SECRET"]) | {"ca.crt": Path(os.environ["CA_FILE"]).read_text()}}
for init in spec["initContainers"]:
    places = pod.mount(spec, init, secrets, Path("pod").absolute())
    subprocess.run(pod.placed(init["command"] + init["args"], places), check=True)
(container,) = spec["containers"]
places = pod.mount(spec, container, secrets, Path("pod").absolute())
env = dict(os.environ) | pod.placed(pod.environment(container, secrets), places)
os.execvpe("java", ["java", "-jar", sys.argv[1]], env)
