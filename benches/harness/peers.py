"""Other providers, installed by their package managers into the cache; versions and settings are in benches/peers."""
import hashlib
import os
import shutil
import subprocess
import sys

from . import machine

FOLDER = machine.ROOT / "benches/peers"
PEERS = {
    "oidc-provider RS256": ("oidc-provider", "bench", "RS256"),
    "oidc-provider ES256": ("oidc-provider", "bench-es256", "ES256"),
    "Flask + Authlib RS256": ("authlib", "bench", "RS256"),
}


def installed(name, lock, install):
    """A folder of the cache that is keyed by the lock file."""
    key = hashlib.sha256((FOLDER / name / lock).read_bytes()).hexdigest()[:12]
    folder = machine.CACHE / "peers" / f"{name}-{key}"
    if not (folder / ".complete").exists():
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(FOLDER / name, folder)
        install(folder)
        (folder / ".complete").touch()
    for file in (FOLDER / name).iterdir():
        shutil.copy(file, folder)
    return folder


def run(folder, *argv):
    subprocess.run(argv, cwd=folder, check=True, stdout=sys.stderr)


def start_oidc_provider(port):
    machine.need("node", "npm")
    folder = installed("oidc-provider", "package-lock.json",
                       lambda folder: run(folder, "npm", "ci", "--silent", "--no-audit", "--no-fund", "--ignore-scripts"))
    return machine.start(["node", "server.mjs", port], core=machine.SERVER_CORE, cwd=folder,
                         env={**os.environ, "NODE_ENV": "production"})


def start_authlib(port):
    def install(folder):
        run(folder, sys.executable, "-m", "venv", "venv")
        run(folder, "venv/bin/pip", "install", "--quiet", "--no-deps", "-r", "requirements.txt")
    folder = installed("authlib", "requirements.txt", install)
    return machine.start(["venv/bin/gunicorn", "--workers", "1", "--worker-class", "sync", "--no-control-socket",
                          "--log-level", "error", "--bind", f"127.0.0.1:{port}", "server:app"],
                         core=machine.SERVER_CORE, cwd=folder)


def start():
    """Both, as {folder: (process, port)}."""
    started = {}
    for name, begin in (("oidc-provider", start_oidc_provider), ("authlib", start_authlib)):
        port = machine.free_port()
        process = begin(port)
        machine.until_ready(port, "/jwks", process)
        started[name] = (process, port)
    return started


def sample(started, secret):
    """Some tokens of each, with their signatures and claims checked."""
    for name, client, algorithm in PEERS.values():
        base = f"http://127.0.0.1:{started[name][1]}"
        machine.limits("sample", "--token", f"{base}/token", "--jwks", f"{base}/jwks", "--client", client,
                       "--secret", secret, "--algorithm", algorithm)
