"""A pod as the chart runs it, against a stand-in for the API server that knows lists and silent watches."""
import base64
import http.server
import json
import pathlib
import subprocess
import tempfile
import threading
import time
import urllib.parse

from . import machine

NAMESPACE, RELEASE, PAGE = "oidc", "bench", 500
NOTE = "x" * 800  # what kubectl and the API server leave on each object


def client(number):
    name = f"client-{number:05}"
    return {
        "apiVersion": "oidc-operator.dev/v1alpha1", "kind": "OidcClient",
        "metadata": {
            "name": name, "namespace": NAMESPACE, "uid": f"5f0c3a52-0000-4000-8000-0000000{number:05}",
            "creationTimestamp": "2026-01-01T00:00:00Z", "resourceVersion": "1", "generation": 1,
            "annotations": {"kubectl.kubernetes.io/last-applied-configuration": NOTE},
            "managedFields": [{"manager": "kubectl", "operation": "Apply", "fieldsType": "FieldsV1",
                               "fieldsV1": {"f:spec": NOTE}}],
        },
        "spec": {
            "displayName": f"Application {number}", "redirectUris": [f"https://{name}.example.com/callback"],
            "grantTypes": ["authorization_code", "refresh_token", "client_credentials"],
            "scopes": ["openid", "profile", "email"],
        },
        "status": {
            "clientId": f"{NAMESPACE}.{name}", "observedGeneration": 1,
            "conditions": [{"type": kind, "status": "True", "reason": kind, "message": "", "observedGeneration": 1,
                            "lastTransitionTime": "2026-01-01T00:00:00Z"}
                           for kind in ("Accepted", "CredentialsReady", "Ready")],
            "credentials": [{"id": "0123456789abcdef", "digest": "0123456789abcdef:" + "a" * 43,
                             "createdAt": "2026-01-01T00:00:00Z"}],
            "secret": {"name": f"{name}-oidc", "uid": "1", "resourceVersion": "1"},
        },
    }


def own(name, data):
    """An object of the installation, by its path."""
    metadata = {"name": f"{RELEASE}-{name}", "namespace": NAMESPACE, "uid": name, "resourceVersion": "1"}
    if name == "installation":
        return "configmaps", {"metadata": metadata, "data": data}
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    return "secrets", {"metadata": metadata, "type": "Opaque", "data": encoded}


def installation_objects(state, folder):
    """Keys as a standalone provider made them, and a certificate."""
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
                    "-addext", "basicConstraints=critical,CA:FALSE",
                    "-keyout", folder / "tls.key", "-out", folder / "tls.crt"], check=True, capture_output=True)
    text = {name: (state / name).read_text() for name in ("key-set.json", "key-ring.json", "pepper.json")}
    settings = {"release": RELEASE, "issuer": "https://localhost", "className": RELEASE, "defaultClass": True,
                "namespaces": {"watch": [NAMESPACE]}, "jwksMaxAge": "300s"}
    tls = {name: (folder / name).read_text() for name in ("tls.crt", "tls.key")}
    return [own("installation", {"installation.yaml": json.dumps(settings)}),
            *[own(name.removesuffix(".json"), {name: value}) for name, value in text.items()],
            own("tls", {**tls, "ca.crt": tls["tls.crt"]})]


class ApiServer(http.server.ThreadingHTTPServer):
    """Lists, page by page, and watches in which nothing happens."""
    daemon_threads = True

    def __init__(self, objects, clients):
        super().__init__(("127.0.0.1", 0), Handler)
        self.objects = {(plural, object_["metadata"]["name"]): object_ for plural, object_ in objects}
        pages = [[client(number) for number in range(first, min(first + PAGE, clients))]
                 for first in range(0, clients, PAGE)] or [[]]
        self.pages = [listed(page, str(i + 1) if i + 1 < len(pages) else None) for i, page in enumerate(pages)]


def listed(items, more=None):
    metadata = {"resourceVersion": "1", **({"continue": more} if more else {})}
    return json.dumps({"kind": "List", "apiVersion": "v1", "metadata": metadata, "items": items}).encode()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        if "watch" in query:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Connection", "close")
            self.end_headers()
            time.sleep(float(query.get("timeoutSeconds", 60)))
            self.close_connection = True
            return
        plural = url.path.rsplit("/", 1)[1]
        if plural == "oidcclients":
            body = self.server.pages[int(query.get("continue", 0))]
        else:
            name = query.get("fieldSelector", "").removeprefix("metadata.name=")
            found = self.server.objects.get((plural, name))
            body = listed([found] if found else [])
        self.answer(200, body)

    def do_POST(self):
        """A pod also says which keys it has; nobody reads that here."""
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length)
        self.answer(201, body)

    do_PUT = do_PATCH = do_POST

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def measure(clients, rounds):
    """Start times and memory of a pod with so many clients."""
    with tempfile.TemporaryDirectory(prefix="oidc-bench-") as scratch:
        folder = pathlib.Path(scratch)
        port = machine.free_port()
        maker = machine.provider(machine.ROOT / "benches/manifests", folder / "state", port)
        machine.until_ready(port, "/health", maker)
        machine.stop(maker)
        server = ApiServer(installation_objects(folder / "state", folder), clients)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        config = {"apiVersion": "v1", "kind": "Config", "current-context": "c",
                  "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}],
                  "users": [{"name": "c", "user": {}}],
                  "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c", "namespace": NAMESPACE}}]}
        (folder / "kubeconfig").write_text(json.dumps(config))
        ready, idle, peak = [], [], []
        for _ in range(rounds):
            public, internal = machine.free_port(), machine.free_port()
            began = time.monotonic()
            process = machine.pod(folder / "kubeconfig", RELEASE, NAMESPACE, public, internal)
            machine.until_ready(internal, "/health/ready", process)
            ready.append(time.monotonic() - began)
            time.sleep(0.5)  # as of the standalone program
            idle.append(machine.resident_mb(process.pid))
            peak.append(machine.resident_mb(process.pid, "VmHWM"))
            machine.stop(process)
        server.shutdown()
        return {"place": "pod", "clients": clients, "ready_seconds": ready, "idle_mb": idle, "peak_mb": peak}
