"""Becomes oauth2-proxy with the environment and the files that its chart makes of the example's values."""

import os
from pathlib import Path

import pod
import yaml

values = yaml.safe_load(Path(os.environ["VALUES"]).read_text())
existing = values["config"]["existingSecret"]
# the operator puts the issuer's CA into the Secret; a standalone provider knows none
secrets = {"oauth2-proxy-oidc": pod.secret(os.environ["SECRET"]) | {"ca.crt": Path(os.environ["CA_FILE"]).read_text()}}
# these three the chart reads from the Secret by itself
credentials = {"OAUTH2_PROXY_CLIENT_ID": "client-id", "OAUTH2_PROXY_CLIENT_SECRET": "client-secret", "OAUTH2_PROXY_COOKIE_SECRET": "cookie-secret"}
container = {
    "env": [{"name": name, "valueFrom": {"secretKeyRef": {"name": existing, "key": key}}} for name, key in credentials.items()]
    + values["extraEnv"],
    "volumeMounts": values["extraVolumeMounts"],
}
places = pod.mount({"volumes": values["extraVolumes"]}, container, secrets, Path("pod").absolute())
Path("oauth2_proxy.cfg").write_text(values["config"]["configFile"].replace("http://intranet", os.environ["UPSTREAM_URL"]))
env = dict(os.environ) | pod.placed(pod.environment(container, secrets), places)
listen = f"--http-address=127.0.0.1:{os.environ['PROXY_PORT']}"
os.execvpe("oauth2-proxy", ["oauth2-proxy", listen, "--config=oauth2_proxy.cfg"], env)
