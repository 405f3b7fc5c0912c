"""From exec to the first 200 of /health, and resident memory: a second start, standalone."""
import shutil
import tempfile
import time
import pathlib

from . import machine

CLIENT = """---
apiVersion: oidc-operator.dev/v1alpha1
kind: OidcClient
metadata:
  name: client-{0:05}
spec:
  clientId: client-{0:05}
  displayName: Application {0}
  redirectUris: [https://client-{0:05}.example.com/callback]
  grantTypes: [authorization_code, refresh_token, client_credentials]
  scopes: [openid, profile, email]
  secretRef:
    name: bench-secret
"""


def measure(clients, rounds):
    """Start times and memory with so many more clients than the bench's own."""
    with tempfile.TemporaryDirectory(prefix="oidc-bench-") as scratch:
        folder = pathlib.Path(scratch)
        (folder / "m").mkdir()
        shutil.copy(machine.ROOT / "benches/manifests/bench.yaml", folder / "m")
        for file in range(0, clients, 1000):
            text = "".join(CLIENT.format(number) for number in range(file, min(file + 1000, clients)))
            (folder / "m" / f"clients-{file:05}.yaml").write_text(text)
        ready, idle, peak = [], [], []
        port = machine.free_port()  # the same for all: with another issuer, every client's Secret is written again
        for round_ in range(rounds + 1):
            began = time.monotonic()
            process = machine.provider(folder / "m", folder / "s", port)
            # the first start writes a Secret for each client, and waits for the disk each time
            machine.until_ready(port, "/health", process, 60 if round_ else 600)
            took = time.monotonic() - began
            if round_:
                time.sleep(0.5)  # let it become idle: what is measured is the idle size
                ready.append(took)
                idle.append(machine.resident_mb(process.pid))
                peak.append(machine.resident_mb(process.pid, "VmHWM"))
            machine.stop(process)
        return {"place": "standalone", "clients": clients, "ready_seconds": ready, "idle_mb": idle, "peak_mb": peak}
