"""A Spring Boot application with the preset `spring-boot`: its configuration is the Secret, by the example's Deployment."""

import os
import unittest
from urllib.parse import parse_qs, urlsplit

import requests
from person import Person

APP = os.environ["APP_URL"]
CALLBACK = f"{APP}/login/oauth2/code/oidc"


def asked(**headers):
    """What the application asks the issuer for."""
    page = requests.get(f"{APP}/oauth2/authorization/oidc", headers=headers, allow_redirects=False)
    target = urlsplit(page.headers["location"])
    assert f"{target.scheme}://{target.netloc}{target.path}" == f"{os.environ['ISSUER_URL']}/authorize", target
    return parse_qs(target.query)


class Story(unittest.TestCase):
    def test_request(self):
        """a stranger is sent to the issuer, with the scopes of the client"""
        page = requests.get(f"{APP}/", allow_redirects=False)
        self.assertEqual(urlsplit(page.headers["location"]).path, "/oauth2/authorization/oidc")
        parameters = asked()
        self.assertEqual(parameters["scope"], ["openid profile email"])
        self.assertEqual(parameters["redirect_uri"], [CALLBACK])

    def test_ingress(self):
        """behind an ingress the redirect URI is that of the address which people see"""
        headers = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "orders.example.com", "X-Forwarded-Port": "443"}
        self.assertEqual(asked(**headers)["redirect_uri"], ["https://orders.example.com/login/oauth2/code/oidc"])

    def test_sign_in(self):
        """a person signs in, and the application knows who it is"""
        person = Person("jdoe", "password")
        page = person.browser.get(person.authorize(f"{APP}/", CALLBACK))
        self.assertEqual(page.status_code, 200, page.text[:2000])
        self.assertEqual(page.json(), {"subject": "user-123", "name": "jdoe", "email": "jdoe@example.com"})
