"""JupyterHub as its chart configures it: `hub.config` of the example, requests by curl, a proxy of its own process."""

import json
import os

from tornado.httpclient import AsyncHTTPClient

AsyncHTTPClient.configure("tornado.curl_httpclient.CurlAsyncHTTPClient")

c = get_config()  # noqa: F821: JupyterHub gives it
for section, settings in json.loads(os.environ["HUB_CONFIG"]).items():
    c[section].update(settings)
c.JupyterHub.bind_url = os.environ["HUB_URL"]
c.JupyterHub.hub_bind_url = os.environ["HUB_BIND_URL"]
c.ConfigurableHTTPProxy.api_url = os.environ["PROXY_API_URL"]
c.ConfigurableHTTPProxy.should_start = False
c.JupyterHub.db_url = "sqlite://"
c.JupyterHub.cookie_secret_file = "cookie-secret"
