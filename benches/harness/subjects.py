"""What is measured in each round: the machine's limits, our rows, the peers; and what a row is compared with."""
import base64
import json
import pathlib
import tempfile

from . import machine, peers

SECRET = "a-secret-that-only-the-benchmark-uses-0123456789"
CLIENTS = {"RS256": "bench", "ES256": "bench-es256"}
# name: signatures, verifications of one request
GRANTS = {"client_credentials": (1, 0), "code": (2, 0), "refresh": (2, 0), "introspection": (0, 1), "userinfo": (0, 1)}
DOCUMENTS = {"discovery": "/.well-known/openid-configuration", "jwks": "/jwks.json"}
NAMES = [*GRANTS, *DOCUMENTS, "peers", "start", "allocations"]
LIMITS = {"sign RS256": ("sign", "rs256"), "sign ES256": ("sign", "es256"),
          "verify RS256": ("verify", "rs256"), "verify ES256": ("verify", "es256")}
# wrk spends no more codes than this many times the physical limit of a run
MARGIN = 1.3


def basic(client):
    return base64.b64encode(f"{client}:{SECRET}".encode()).decode()


def rows(names):
    """The rows of the chosen names."""
    chosen = [f"{name} {algorithm}" for name in GRANTS if name in names for algorithm in CLIENTS]
    return chosen + [name for name in DOCUMENTS if name in names]


def limit(row, sample):
    """Requests per second that the machine allows a row at most, by the limits of the same round, and its name.

    RS256 grants are held against the raw signature alone, everything else also against one hello (L)."""
    hello = sample["hello"]
    if row in DOCUMENTS:
        return hello, "H"
    name, algorithm = row.split()
    signs, verifies = GRANTS[name]
    if signs and algorithm == "RS256":
        return sample["sign RS256"] / signs, "R" if signs == 1 else f"R/{signs}"
    seconds = 1 / hello
    if signs:
        seconds += signs / sample[f"sign {algorithm}"]
    if verifies:
        seconds += verifies / sample[f"verify {algorithm}"]
    return 1 / seconds, "L"


class Subjects:
    """Everything that runs, started; `measure` by name."""

    def __init__(self, names, seconds):
        self.seconds = seconds
        self.rows = rows(names)
        self.peers = peers.start() if "peers" in names else {}
        if self.peers and "client_credentials RS256" not in self.rows:
            self.rows = rows(["client_credentials"]) + self.rows
        self.scratch = tempfile.TemporaryDirectory(prefix="oidc-bench-")
        self.folder = pathlib.Path(self.scratch.name)
        self.port, self.hello_port = machine.free_port(), machine.free_port()
        self.server = machine.provider(machine.ROOT / "benches/manifests", self.folder / "state", self.port)
        self.hello = machine.start([machine.LIMITS, "hello", f"127.0.0.1:{self.hello_port}"], core=machine.SERVER_CORE)
        machine.until_ready(self.port, "/health", self.server)
        machine.until_ready(self.hello_port, "/", self.hello)
        self.names = [*LIMITS, "hello", *self.rows, *(peers.PEERS if self.peers else [])]
        self.best = {}

    def prepare(self):
        """Before a round: a stock for the load, and a checked sample of all that it asks for."""
        for algorithm, client in CLIENTS.items():
            folder = self.folder / algorithm
            folder.mkdir(exist_ok=True)
            codes = 0
            if f"code {algorithm}" in self.rows and self.best:
                codes = int(limit(f"code {algorithm}", self.best)[0] * self.seconds * MARGIN) + 64
            machine.limits("stock", "--issuer", f"http://localhost:{self.port}", "--client", client, "--secret", SECRET,
                           "--algorithm", algorithm, "--codes", codes, "--refresh-tokens", 64, "--folder", folder)
        if self.peers:
            peers.sample(self.peers, SECRET)

    def measure(self, name):
        sample = self.run(name)
        if name in LIMITS or name == "hello":
            # the load must not run out of codes: on a busy machine only the rate per CPU second tells what it could do
            self.best[name] = max(self.best.get(name, 0), sample["per_second"], sample["per_cpu_second"])
        return sample

    def run(self, name):
        if name in LIMITS:
            return json.loads(machine.limits(*LIMITS[name], self.seconds, core=machine.SERVER_CORE))
        if name == "hello":
            return machine.load(self.hello, self.hello_port, "/", self.seconds)
        if name in DOCUMENTS:
            return machine.load(self.server, self.port, DOCUMENTS[name], self.seconds)
        if name in peers.PEERS:
            peer, client, _ = peers.PEERS[name]
            return machine.load(*self.peers[peer], "/token", self.seconds, "post.lua",
                                [basic(client), "grant_type=client_credentials"])
        return self.ours(*name.split())

    def ours(self, name, algorithm):
        client, folder = basic(CLIENTS[algorithm]), self.folder / algorithm
        token = (folder / "access_token").read_text().strip()
        path, script, arguments = {
            "client_credentials": ("/token", "post.lua", [client, "grant_type=client_credentials"]),
            "code": ("/token", "code.lua", [client, str(folder / "codes")]),
            "refresh": ("/token", "refresh.lua", [client, str(folder / "refresh_tokens")]),
            "introspection": ("/introspect", "post.lua", [client, f"token={token}"]),
            "userinfo": ("/userinfo", "get.lua", [token]),
        }[name]
        return machine.load(self.server, self.port, path, self.seconds, script, arguments)
