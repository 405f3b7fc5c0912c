"""Processes on their cores, and what the kernel tells of them."""
import hashlib
import http.client
import os
import pathlib
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
# the same folders as the tests: see tests/lib/common.sh
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")) / "oidc-operator"
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target")
BUILD = {} if os.environ.get("CARGO_TARGET_DIR") else {
    "CARGO_TARGET_DIR": str(TARGET),
    "CARGO_BUILD_BUILD_DIR": str(CACHE / "target"),
    "RUSTC_WORKSPACE_WRAPPER": str(ROOT / "tests/lib/rustc"),
}
AS_IN_IMAGES = {"MIMALLOC_PURGE_DELAY": "0"}
LIMITS, PROVIDER = TARGET / "release/oidc-limits", TARGET / "release/oidc-provider"
SERVER_CORE, LOAD_CORE = "1", "0"
STARTED = []


def need(*tools):
    for tool in tools:
        if not shutil.which(tool):
            sys.exit(f"{tool} is missing (Debian: apt-get install wrk util-linux nodejs npm python3-venv)")


def build():
    subprocess.run(["cargo", "build", "--release", "--locked", "-p", "oidc-provider", "-p", "oidc-benches", "--bins"],
                   cwd=ROOT, env={**os.environ, **BUILD}, check=True)


def start(argv, core=None, **options):
    if core is not None:
        argv = ["taskset", "-c", core, *map(str, argv)]
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(argv, **{**quiet, **options})
    STARTED.append(process)
    return process


def stop(process):
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    if process in STARTED:
        STARTED.remove(process)


def stop_all():
    for process in list(reversed(STARTED)):
        stop(process)


def keep_awake():
    """A core that sleeps charges its waking to whoever sends to it: this one never sleeps."""
    return start(["chrt", "-i", "0", sys.executable, "-c", "while True: pass"], core=LOAD_CORE)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def answers(port, path):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def until_ready(port, path, process, deadline=60.0):
    end = time.monotonic() + deadline
    while time.monotonic() < end:
        if process.poll() is not None:
            sys.exit(f"{process.args} ended with {process.returncode} before it was ready")
        if answers(port, path):
            return
        time.sleep(0.002)
    sys.exit(f"{process.args}: no 200 at {path} within {deadline} s")


def children(pid):
    """A process and all that it started."""
    found = [pid]
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found += children(int(child))
    return found


def cpu_seconds(pid):
    """User and system time of a process and all that it started."""
    ticks = 0
    for one in children(pid):
        fields = pathlib.Path(f"/proc/{one}/stat").read_text().rsplit(")", 1)[1].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def resident_mb(pid, name="VmRSS"):
    return int(re.search(rf"{name}:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())[1]) / 1024


def provider(manifests, state, port):
    """The release build, logging a line a request as in production, into a pipe that somebody reads."""
    return logging([PROVIDER, "dev", "--manifests", manifests, "--state", state, "--listen", f"127.0.0.1:{port}",
                    "--issuer", f"http://localhost:{port}"])


def pod(kubeconfig, release, namespace, public, internal):
    """The same as a pod of a cluster; it asks Redis for nothing here."""
    return logging([PROVIDER, "serve", "--release", release, "--namespace", namespace, "--redis", "redis://127.0.0.1:1",
                    "--shutdown-delay", "0s", "--listen", f"127.0.0.1:{public}",
                    "--internal-listen", f"127.0.0.1:{internal}"], KUBECONFIG=str(kubeconfig), POD_NAME="bench-0", POD_UID="bench-0")


def logging(argv, **variables):
    reader = start(["cat"], core=LOAD_CORE, stdin=subprocess.PIPE)
    environment = {"OIDC_LOG": "info", "OIDC_LOG_FORMAT": "json", **AS_IN_IMAGES, **os.environ, **variables}
    process = start(argv, core=SERVER_CORE, stderr=reader.stdin, env=environment)
    reader.stdin.close()
    return process


def limits(*argv, core=LOAD_CORE):
    argv = ["taskset", "-c", core, str(LIMITS), *map(str, argv)]
    done = subprocess.run(argv, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(argv)} ended with {done.returncode}")
    return done.stdout


def awake():
    """A library that keeps wrk from sleeping: see its source."""
    source = ROOT / "benches/wrk/awake.c"
    library = CACHE / "peers" / f"awake-{hashlib.sha256(source.read_bytes()).hexdigest()[:12]}.so"
    if not library.exists():
        library.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    return {**os.environ, "LD_PRELOAD": str(library)}


def load(process, port, path, seconds, script=None, arguments=()):
    """Rates of one closed loop of 32 connections; ends the bench if it met any error."""
    argv = ["taskset", "-c", LOAD_CORE, "wrk", "-t1", "-c32", f"-d{seconds}s"]
    if script:
        argv += ["-s", str(ROOT / "benches/wrk" / script)]
    argv += [f"http://127.0.0.1:{port}{path}", *(["--", *arguments] if arguments else [])]
    own = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu, began = cpu_seconds(process.pid), time.monotonic()
    out = subprocess.run(argv, capture_output=True, text=True, check=True, env=awake()).stdout
    took, busy = time.monotonic() - began, cpu_seconds(process.pid) - cpu
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if "Non-2xx" in out or "Socket errors" in out:
        sys.exit(f"the load of {path} met errors:\n{out}")
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", out)[1])
    requests = int(re.search(r"(\d+) requests in", out)[1])
    generator = after.ru_utime + after.ru_stime - own.ru_utime - own.ru_stime
    return {"per_second": rate, "per_cpu_second": requests / max(busy, 0.01), "server_busy": busy / took,
            "generator_busy": generator / took}


signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
