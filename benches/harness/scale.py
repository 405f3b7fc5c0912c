"""Thousands of clients: from creation to served, what was written, what a change and a restart cost."""
import base64
import http.client
import json
import os
import pathlib
import queue
import random
import re
import ssl
import subprocess
import sys
import threading
import time
import urllib.parse

from harness import machine

HOME, RELEASE = "identity", "oidc"
GROUP = "/apis/oidc-operator.dev/v1alpha1"


class Api:
    """The API server as its administrator; one connection for each thread."""

    def __init__(self, kubeconfig):
        view = ["kubectl", "--kubeconfig", kubeconfig, "config", "view", "--raw", "--flatten", "-o", "json"]
        config = json.loads(subprocess.check_output(view))
        cluster = config["clusters"][0]["cluster"]
        self.token = config["users"][0]["user"]["token"]
        self.host = urllib.parse.urlparse(cluster["server"]).netloc
        ca = base64.b64decode(cluster["certificate-authority-data"]).decode()
        self.context = ssl.create_default_context(cadata=ca)
        self.local = threading.local()
        self.config = config

    def connection(self):
        return http.client.HTTPSConnection(self.host, context=self.context)

    def send(self, connection, method, path, body=None, kind="application/json"):
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": kind}
        connection.request(method, path, body and json.dumps(body), headers)

    def call(self, method, path, body=None, kind="application/json"):
        connection = getattr(self.local, "connection", None) or self.connection()
        if time.monotonic() - getattr(self.local, "used", 0.0) > 20:
            connection.close()  # the server ends those that idle; it opens again by itself
        self.local.connection, self.local.used = connection, time.monotonic()
        self.send(connection, method, path, body, kind)
        answer = connection.getresponse()
        data = answer.read()
        if answer.status >= 300:
            sys.exit(f"{method} {path}: {answer.status} {data[:300]}")
        return data

    def merge(self, path, body):
        return self.call("PATCH", path, body, "application/merge-patch+json")

    def events(self):
        """Events about clients: how many there are, and how many of them say that something came again."""
        found, again, token = 0, 0, ""
        while True:
            query = urllib.parse.urlencode({"fieldSelector": "involvedObject.kind=OidcClient", "limit": 1000, "continue": token})
            page = json.loads(self.call("GET", f"/api/v1/events?{query}"))
            found += len(page["items"])
            again += sum(1 for event in page["items"] if event.get("series"))
            token = page["metadata"].get("continue", "")
            if not token:
                return found, again

    def kubeconfig(self, path, account):
        token = subprocess.check_output(["kubectl", "create", "token", account, "-n", HOME, "--duration", "2h"])
        config = dict(self.config, users=[{"name": "test", "user": {"token": token.decode().strip()}}])
        path.write_text(json.dumps(config))
        return str(path)

    def writes(self):
        """Writes that the API server answered, by resource; without Events and Leases."""
        found = {}
        line = re.compile(r'^apiserver_request_total\{(.*)\} (\S+)$')
        for text in self.call("GET", "/metrics").decode().splitlines():
            match = line.match(text)
            if not match:
                continue
            labels = dict(re.findall(r'(\w+)="([^"]*)"', match[1]))
            if labels["verb"] not in ("POST", "PUT", "PATCH", "APPLY", "DELETE"):
                continue
            if labels["resource"] in ("events", "leases", "serviceaccounts", "namespaces", "subjectaccessreviews"):
                continue
            if labels["resource"] in ("tokenreviews", "configmaps", "endpoints", "endpointslices"):
                continue
            name = f'{labels["verb"]} {labels["resource"]}' + (f'/{labels["subresource"]}' if labels["subresource"] else "")
            found[name] = found.get(name, 0) + int(float(match[2]))
        return found


def difference(before, after):
    return {name: count - before.get(name, 0) for name, count in after.items() if count != before.get(name, 0)}


class Watch(threading.Thread):
    """Follows all clients: who is Ready, and when a version was heard of."""

    def __init__(self, api):
        super().__init__(daemon=True)
        self.api, self.ready, self.heard = api, set(), queue.Queue()
        self.changed = threading.Condition()
        self.start()

    def run(self):
        version = json.loads(self.api.call("GET", f"{GROUP}/oidcclients?limit=1"))["metadata"]["resourceVersion"]
        while True:
            connection = self.api.connection()
            self.api.send(connection, "GET", f"{GROUP}/oidcclients?watch=1&resourceVersion={version}")
            for line in connection.getresponse():
                at = time.perf_counter()
                event = json.loads(line)
                if event["type"] == "ERROR":
                    break
                meta = event["object"]["metadata"]
                version = meta["resourceVersion"]
                self.heard.put((meta["resourceVersion"], at))
                conditions = event["object"].get("status", {}).get("conditions", [])
                if any(c["type"] == "Ready" and c["status"] == "True" for c in conditions):
                    with self.changed:
                        self.ready.add(meta["uid"])
                        self.changed.notify_all()

    def wait_for(self, count, seconds):
        end = time.monotonic() + seconds
        with self.changed:
            while len(self.ready) < count:
                if not self.changed.wait(max(0.0, end - time.monotonic())):
                    sys.exit(f"only {len(self.ready)} of {count} clients are Ready after {seconds} s")

    def when(self, version):
        while True:
            heard, at = self.heard.get(timeout=30)
            if heard == version:
                return at


def spread(work, items, threads=8):
    """Calls `work` with each item, by several threads."""
    todo = queue.Queue()
    for item in items:
        todo.put(item)

    def run():
        while True:
            try:
                item = todo.get_nowait()
            except queue.Empty:
                return
            work(item)
    all_threads = [threading.Thread(target=run) for _ in range(threads)]
    for thread in all_threads:
        thread.start()
    for thread in all_threads:
        thread.join()


def get(address, path):
    connection = http.client.HTTPConnection("127.0.0.1", address, timeout=5)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    except OSError:
        return 0, ""
    finally:
        connection.close()


def until(what, seconds, test):
    end = time.monotonic() + seconds
    while not test():
        if time.monotonic() > end:
            sys.exit(f"did not happen in {seconds} s: {what}")
        time.sleep(0.05)


def rested(look, seconds=5):
    """Waits until what `look` gives stays as it is for so long; it, and when it came."""
    seen, since = look(), time.monotonic()
    while time.monotonic() - since < seconds:
        time.sleep(0.2)
        now = look()
        if now != seen:
            seen, since = now, time.monotonic()
    return seen, since


def memory(process, field="VmRSS"):
    status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    return int(re.search(rf"{field}:\s+(\d+)", status)[1]) / 1024


class Pod:
    """A provider; the API server holds a Pod of its name."""

    def __init__(self, api, work, bins, name):
        labels = {"app.kubernetes.io/name": "oidc-operator", "app.kubernetes.io/instance": RELEASE,
                  "app.kubernetes.io/component": "provider"}
        spec = {"serviceAccountName": f"{RELEASE}-provider", "containers": [{"name": "provider", "image": "none"}]}
        pod = {"metadata": {"name": name, "labels": labels}, "spec": spec}
        made = json.loads(api.call("POST", f"/api/v1/namespaces/{HOME}/pods", pod))
        self.https, self.internal = machine.free_port(), machine.free_port()
        environment = {**machine.AS_IN_IMAGES, **os.environ, "KUBECONFIG": api.kubeconfig(work / f"{name}.kubeconfig", f"{RELEASE}-provider")}
        self.process = machine.start(
            [bins / "oidc-provider", "serve", "--release", RELEASE, "--namespace", HOME, "--pod", name,
             "--pod-uid", made["metadata"]["uid"], "--listen", f"127.0.0.1:{self.https}",
             "--internal-listen", f"127.0.0.1:{self.internal}"], env=environment)
        self.context = ssl.create_default_context()
        self.context.check_hostname, self.context.verify_mode = False, ssl.CERT_NONE

    def serves(self, connection, client_id, redirect):
        query = urllib.parse.urlencode({
            "response_type": "code", "client_id": client_id, "redirect_uri": redirect, "scope": "openid",
            "state": "s", "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
            "code_challenge_method": "S256"})
        connection.request("GET", f"/authorize?{query}")
        answer = connection.getresponse()
        answer.read()
        return answer.status == 200


def operator(api, work, bins, name):
    address = machine.free_port()
    environment = {**machine.AS_IN_IMAGES, **os.environ, "KUBECONFIG": api.kubeconfig(work / f"{name}.kubeconfig", f"{RELEASE}-operator")}
    process = machine.start(
        [bins / "oidc-operator", "run", "--release", RELEASE, "--namespace", HOME, "--pod", name,
         "--internal-listen", f"127.0.0.1:{address}"], env=environment)
    until("the operator is ready", 120, lambda: get(address, "/health/ready")[0] == 200)
    return process, address


def reconciled(address):
    text = get(address, "/metrics")[1]
    counts = re.findall(r'^oidc_operator_reconciles_total\{kind="OidcClient".*\} (\d+)', text, re.M)
    return sum(map(int, counts))


def percentile(values, part):
    values = sorted(values)
    return values[min(len(values) - 1, int(part * len(values)))]


def main():
    work, bins = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    clients, namespaces, changes = [int(n) for n in (sys.argv[3:] + ["10000", "500", "200"][len(sys.argv) - 3:])]
    api = Api(os.environ["KUBECONFIG"])
    watch = Watch(api)
    running, address = operator(api, work, bins, "op-1")
    pods = [Pod(api, work, bins, f"{RELEASE}-provider-{n}") for n in "ab"]
    for pod in pods:
        until("a pod is ready", 60, lambda: get(pod.internal, "/health/ready")[0] == 200)
    empty = [memory(running), *(memory(pod.process) for pod in pods)]

    names = [f"team-{n:03}" for n in range(namespaces)]
    spread(lambda name: api.call("POST", "/api/v1/namespaces", {"metadata": {"name": name}}), names)
    apps = [(names[n % namespaces], f"app-{n}") for n in range(clients)]

    def create(app):
        namespace, name = app
        body = {"apiVersion": "oidc-operator.dev/v1alpha1", "kind": "OidcClient", "metadata": {"name": name},
                "spec": {"displayName": f"Application {name}", "redirectUris": [f"https://{name}.example.com/callback"]}}
        api.call("POST", f"{GROUP}/namespaces/{namespace}/oidcclients", body)
    before, start = api.writes(), time.monotonic()
    spread(create, apps)
    created = time.monotonic() - start
    watch.wait_for(clients, 1800)
    ready = time.monotonic() - start
    rested(lambda: reconciled(address))
    written = difference(before, api.writes())
    own = sum(written.values()) - written.get("POST oidcclients", 0)
    events, events_again = rested(api.events)[0]

    machine.stop(running)
    before, start = api.writes(), time.monotonic()
    running, address = operator(api, work, bins, "op-2")
    until("everything is reconciled again", 600, lambda: reconciled(address) >= clients)
    # it counts reconciles: some clients may have had several, others none yet
    again = rested(lambda: reconciled(address))[1] - start
    restart = difference(before, api.writes())
    restart_events = api.events()[0] - events

    sample, served, bare = random.Random(1).sample(apps, min(changes, clients)), [], []
    for number, (namespace, name) in enumerate(sample):
        path, redirect = f"{GROUP}/namespaces/{namespace}/oidcclients/{name}", f"https://{name}.example.com/{number}"
        times = [None] * len(pods)
        go = threading.Barrier(len(pods) + 1)

        def probe(index):
            connection = http.client.HTTPSConnection("127.0.0.1", pods[index].https, context=pods[index].context)
            pods[index].serves(connection, f"{namespace}.{name}", redirect)
            go.wait()
            while not pods[index].serves(connection, f"{namespace}.{name}", redirect):
                pass
            times[index] = time.perf_counter()
        threads = [threading.Thread(target=probe, args=(index,)) for index in range(len(pods))]
        for thread in threads:
            thread.start()
        go.wait()
        answer = json.loads(api.merge(path, {"spec": {"redirectUris": [redirect]}}))
        at = time.perf_counter()
        bare.append((watch.when(answer["metadata"]["resourceVersion"]) - at) * 1000)
        for thread in threads:
            thread.join()
        served.append((max(times) - at) * 1000)

    print(f"| {clients} clients in {namespaces} namespaces | |\n|---|---|")
    print(f"| created by 8 connections | {created:.0f} s |")
    print(f"| all Ready, from the first creation | {ready:.0f} s |")
    print(f"| writes per new client | {own / clients:.2f} ({', '.join(f'{n} {c}' for n, c in sorted(written.items()))}) |")
    print(f"| Events per new client | {events / clients:.2f}, {events_again} of them counted up |")
    print(f"| operator restarted: writes, and Events about clients | {sum(restart.values())} {restart or ''}, {restart_events} |")
    print(f"| operator restarted: all reconciled | {again:.1f} s |")
    print(f"| a change, from the API server's answer to all pods serving it, p50 / p99 | "
          f"{percentile(served, .5):.1f} / {percentile(served, .99):.1f} ms |")
    print(f"| the same of a bare watch, p50 / p99 | {percentile(bare, .5):.1f} / {percentile(bare, .99):.1f} ms |")
    print(f"| resident memory: operator, and its peak | {memory(running):.0f} MB, {memory(running, 'VmHWM'):.0f} MB |")
    print(f"| resident memory: pods | {', '.join(f'{memory(pod.process):.0f} MB' for pod in pods)} |")
    print(f"| the same before | operator {empty[0]:.0f} MB, pods {empty[1]:.0f} and {empty[2]:.0f} MB |")


try:
    main()
finally:
    for started in list(machine.STARTED):
        machine.stop(started)
