"""oauth2-proxy with the preset `oauth2-proxy`, as its chart runs it by the example's values, behind https."""

import json
import os
import threading
import unittest
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from person import Person

APP = os.environ["APP_URL"]
CALLBACK = f"{APP}/oauth2/callback"


class Intranet(BaseHTTPRequestHandler):
    """What stands behind the proxy: it answers with the headers that it was sent."""

    def do_GET(self):
        body = json.dumps({name.lower(): value for name, value in self.headers.items()}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Story(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        server = ThreadingHTTPServer(("127.0.0.1", urlsplit(os.environ["UPSTREAM_URL"]).port), Intranet)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        cls.addClassCleanup(server.server_close)
        cls.addClassCleanup(server.shutdown)

    def test_request(self):
        """a stranger is sent to the issuer, with PKCE and the client's redirect URI"""
        page = Person().browser.get(f"{APP}/oauth2/start", allow_redirects=False)
        target = urlsplit(page.headers["location"])
        self.assertEqual(f"{target.scheme}://{target.netloc}{target.path}", f"{os.environ['ISSUER_URL']}/authorize")
        asked = parse_qs(target.query)
        self.assertEqual((asked["code_challenge_method"], asked["redirect_uri"]), (["S256"], [CALLBACK]))

    def test_sign_in(self):
        """a person signs in, and the application is told who it is"""
        person = Person("jdoe", "password")
        page = person.browser.get(person.authorize(f"{APP}/oauth2/start?rd=/reports", CALLBACK))
        self.assertEqual((page.status_code, page.url), (200, f"{APP}/reports"), page.text[:2000])
        headers = page.json()
        self.assertEqual(headers["x-forwarded-email"], "jdoe@example.com")
        self.assertEqual(headers["x-forwarded-preferred-username"], "jdoe")
