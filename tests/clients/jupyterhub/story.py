"""JupyterHub with the preset `jupyterhub`, configured by nothing but its example."""

import os
import unittest
from urllib.parse import parse_qs, urlsplit

from person import Person

HUB = os.environ["HUB_URL"]
CALLBACK = f"{HUB}/hub/oauth_callback"


def sign_in(person):
    """From the hub's login link to its home page."""
    callback = person.authorize(f"{HUB}/hub/oauth_login?next=%2Fhub%2Fhome", CALLBACK)
    return person.browser.get(callback)


class Story(unittest.TestCase):
    def test_request(self):
        """the hub sends people to the issuer, with PKCE and the scopes of the example"""
        page = Person().browser.get(f"{HUB}/hub/oauth_login", allow_redirects=False)
        target = urlsplit(page.headers["location"])
        self.assertEqual(f"{target.scheme}://{target.netloc}{target.path}", f"{os.environ['ISSUER_URL']}/authorize")
        asked = parse_qs(target.query)
        self.assertEqual(asked["code_challenge_method"], ["S256"])
        self.assertEqual(asked["redirect_uri"], [CALLBACK])
        self.assertEqual(asked["scope"], ["openid profile email"])

    def test_sign_in(self):
        """a person signs in and is known to the hub by name"""
        person = Person("jdoe", "password")
        home = sign_in(person)
        self.assertEqual((home.status_code, urlsplit(home.url).path), (200, "/hub/home"), home.text[:2000])
        self.assertIn('user: "jdoe"', home.text)

    def test_again(self):
        """signed out of the hub, the issuer's session spares the form"""
        person = Person("jdoe", "password")
        sign_in(person)
        person.browser.get(f"{HUB}/hub/logout")
        gone = person.browser.get(f"{HUB}/hub/home", allow_redirects=False)
        self.assertIn("/hub/login", gone.headers["location"])
        person.password = "not asked again"
        self.assertIn('user: "jdoe"', sign_in(person).text)
