"""The OIDC auth method of Vault and OpenBao with the preset `vault`, configured by the script of its example.

The method is the real one (main.go). The command `vault` is not: the script's commands are noted, with what its
arguments stand for, and given to the method.
"""

import json
import os
import subprocess
import sys
import unittest
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pod
import yaml
from person import Person

CALLBACK = "http://localhost:8250/oidc/callback"
# `vault auth list` knows no method; of the other commands the arguments, with files read as Vault reads `@file`
NOTE = """#!{python}
import json, sys
from pathlib import Path
command = sys.argv[1:]
if command != ["auth", "list"]:
    read = lambda value: Path(value[1:]).read_text() if value.startswith("@") else value
    pairs = [(name, read(value)) for name, mark, value in (word.partition("=") for word in command) if mark]
    words = [word for word in command if "=" not in word]
    with open({noted!r}, "a") as file:
        print(json.dumps([words, pairs]), file=file)
"""


class Method:
    def __init__(self):
        self.process = subprocess.Popen([os.environ["METHOD"]], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, operation, path, data):
        print(json.dumps({"operation": operation, "path": path, "data": data}), file=self.process.stdin, flush=True)
        answer = json.loads(self.process.stdout.readline())
        assert not answer.get("error"), answer
        return answer["response"] or {}

    def end(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


def configure():
    """Runs the example's script as its Job would; what it told Vault."""
    spec = yaml.safe_load(Path(os.environ["JOB"]).read_text())["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    # the operator puts the issuer's CA into the Secret; a standalone provider knows none
    keys = pod.secret(os.environ["SECRET"]) | {"oidc_discovery_ca_pem": Path(os.environ["CA_FILE"]).read_text()}
    places = pod.mount(spec, container, {"vault-oidc": keys}, Path("pod").absolute())
    programs, noted = Path("bin").absolute(), Path("noted").absolute()
    programs.mkdir(exist_ok=True)
    noted.unlink(missing_ok=True)
    (programs / "vault").write_text(NOTE.format(python=sys.executable, noted=str(noted)))
    (programs / "vault").chmod(0o755)
    env = os.environ | {"PATH": f"{programs}:{os.environ['PATH']}"}
    subprocess.run(pod.placed(container["command"] + container["args"], places), env=env, check=True)
    return [json.loads(line) for line in noted.read_text().splitlines()]


class Story(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.told = configure()
        cls.method = Method()
        cls.addClassCleanup(cls.method.end)

    def sign_in(self, username, role="default"):
        """What Vault says to a person who came by the address that it gave."""
        response = self.method.ask("update", "oidc/auth_url", {"role": role, "redirect_uri": CALLBACK})
        url = response["data"]["auth_url"]
        self.assertIn("code_challenge", parse_qs(urlsplit(url).query))
        callback = Person(username, "password").authorize(url, CALLBACK)
        answer = {name: values[0] for name, values in parse_qs(urlsplit(callback).query).items()}
        return self.method.ask("read", "oidc/callback", {"state": answer["state"], "code": answer["code"]})

    def test_1_configuration(self):
        """the method takes what the script tells it, and knows every member"""
        self.assertEqual(self.told[0], [["auth", "enable", "oidc"], []])
        for (verb, path), pairs in self.told[1:]:
            self.assertEqual(verb, "write")
            data = {}
            for name, value in pairs:  # a member that is given twice is a list
                data[name] = value if name not in data else [data[name], value]
            operation = "update"
            if "/role/" in path:
                operation, Story.role = "create", data
            response = self.method.ask(operation, path.removeprefix("auth/oidc/"), data)
            self.assertFalse((response.get("data") or {}).get("error"), response)
            self.assertFalse(response.get("warnings"), response)
        kept = self.method.ask("read", "config", {})["data"]
        self.assertEqual(kept["oidc_discovery_url"], os.environ["ISSUER_URL"])
        self.assertEqual(kept["default_role"], "default")

    def test_2_sign_in(self):
        """a person signs in, as by `vault login -method=oidc`, and has the role's policies"""
        for name in ["jdoe", "ann"]:
            response = self.sign_in(name)
            auth = response["auth"]
            self.assertTrue(auth, response)
            self.assertEqual(auth["alias"]["name"], name)
            self.assertIn("default", auth["policies"])

    def test_3_groups(self):
        """with groups_claim, groups are known, and whoever has none is refused"""
        role = dict(self.role) | {"groups_claim": "groups"}
        self.method.ask("create", "role/groups", role)
        auth = self.sign_in("jdoe", "groups")["auth"]
        self.assertEqual([alias["name"] for alias in auth["group_aliases"]], ["developers"])
        self.assertIn("groups", self.sign_in("ann", "groups")["data"]["error"])
