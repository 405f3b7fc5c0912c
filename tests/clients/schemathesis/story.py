"""The description at /openapi.json: it is well-formed, and schemathesis finds no answer that it does not describe."""

import os
import subprocess
import sys
import unittest
from base64 import urlsafe_b64encode
from hashlib import sha256
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import requests
from openapi_spec_validator import OpenAPIV31SpecValidator
from person import Form, Person

ISSUER = os.environ["ISSUER_URL"]
WEB = ("default.web", "secret-of-web")
REDIRECT = "https://app.example.com/cb"
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"


def authorization(**more):
    challenge = urlsafe_b64encode(sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
    request = {"response_type": "code", "client_id": WEB[0], "redirect_uri": REDIRECT, "scope": "openid email"}
    request |= {"code_challenge": challenge, "code_challenge_method": "S256"} | more
    return f"{ISSUER}/authorize?{urlencode(request)}"


def signed_in():
    """A browser in which somebody is signed in, and the tokens of the application."""
    person = Person()
    answer = parse_qs(urlsplit(person.authorize(authorization(), REDIRECT)).query)
    form = {"grant_type": "authorization_code", "code": answer["code"], "redirect_uri": REDIRECT}
    tokens = requests.post(f"{ISSUER}/token", auth=WEB, data=form | {"code_verifier": VERIFIER})
    return person.browser, tokens.json()


class Story(unittest.TestCase):
    def test_description(self):
        """the description is an OpenAPI 3.1 document"""
        description = requests.get(f"{ISSUER}/openapi.json").json()
        OpenAPIV31SpecValidator(description).validate()
        self.assertEqual(description["servers"][0]["url"], ISSUER)

    def test_answers(self):
        """schemathesis finds no answer that is not described"""
        browser, tokens = signed_in()
        pages = [browser.get(url) for url in (authorization(prompt="login"), authorization(prompt="consent"))]
        pages.append(browser.get(f"{ISSUER}/end_session"))
        forms = [Form(page.text).fields for page in pages]
        for name, values in {
            "csrf.txt": {form["_csrf"] for form in forms},
            "requests.txt": [form["_request"] for form in forms],
            "tokens.txt": [tokens["access_token"], tokens["refresh_token"]],
            "hints.txt": [tokens["id_token"]],
        }.items():
            Path(name).write_text("".join(f'"{value}"\n' for value in values))
        variables = {
            "ACCESS_TOKEN": tokens["access_token"],
            "BROWSER_COOKIE": browser.cookies["oidc_browser"],
            "SESSION_COOKIE": browser.cookies["oidc_session"],
        }
        program = Path(sys.executable).with_name("schemathesis")
        command = [program, "--config-file=schemathesis.toml", "run", f"{ISSUER}/openapi.json", "--no-color"]
        run = subprocess.run(command, env=os.environ | variables, capture_output=True, text=True, timeout=180)
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)
        print("\n".join("# " + line for line in run.stdout.splitlines() if "generated," in line), flush=True)
