"""The PyPI package requests-oauthlib as a relying party of `oidc-provider dev` with the demo clients.

It knows OAuth 2.0 only, so PyJWT checks the ID token.
"""

import os
import secrets
import unittest

os.environ["OAUTHLIB_INSECURE_TRANSPORT"] = "1"  # the demo issuer is http on loopback; leave it out for https

import jwt
import requests
from oauthlib.oauth2 import BackendApplicationClient, OAuth2Error
from oauthlib.oauth2.rfc6749.errors import InvalidClientError, InvalidGrantError
from person import Person
from requests.auth import HTTPBasicAuth
from requests_oauthlib import OAuth2Session

ISSUER = os.environ["ISSUER_URL"]
SERVER = requests.get(ISSUER + "/.well-known/openid-configuration").json()
KEYS = jwt.PyJWKClient(SERVER["jwks_uri"])
CLIENT_ID, CLIENT_SECRET, REDIRECT_URI = "client123", "secret456", "http://localhost:8080/callback"
SCOPE = ["openid", "profile", "email"]


def sign_in(client_id=CLIENT_ID, secret=CLIENT_SECRET, redirect_uri=REDIRECT_URI, in_body=False, **session):
    """A sign-in from the first redirect to the tokens: the session, and the claims of the ID token."""
    session = OAuth2Session(client_id, redirect_uri=redirect_uri, scope=SCOPE, pkce="S256", **session)
    nonce = secrets.token_urlsafe()
    url, _ = session.authorization_url(SERVER["authorization_endpoint"], nonce=nonce)
    callback = Person().authorize(url, redirect_uri)
    if secret is None or in_body:
        proof = {"include_client_id": True, "client_secret": secret}
    else:
        proof = {"auth": HTTPBasicAuth(client_id, secret)}
    # it checks the state; the code stands in the callback's address
    tokens = session.fetch_token(SERVER["token_endpoint"], authorization_response=callback, **proof)
    claims = id_token_claims(tokens["id_token"], client_id)
    assert claims["nonce"] == nonce, claims
    return session, claims


def id_token_claims(token, client_id):
    """OpenID Connect Core §3.1.3.7: signature, iss, aud, exp."""
    return jwt.decode(
        token,
        KEYS.get_signing_key_from_jwt(token),
        algorithms=SERVER["id_token_signing_alg_values_supported"],
        issuer=ISSUER,
        audience=client_id,
        options={"require": ["iss", "sub", "aud", "exp", "iat"]},
    )


class Story(unittest.TestCase):
    def test_basic(self):
        """code flow with PKCE, Basic authentication, userinfo"""
        session, claims = sign_in()
        user = session.get(SERVER["userinfo_endpoint"]).json()  # the session adds the access token
        self.assertEqual(user["sub"], claims["sub"])
        self.assertEqual(user["email"], "jdoe@example.com")

    def test_secret_in_the_body(self):
        """code flow with the secret in the body"""
        sign_in(in_body=True)

    def test_public(self):
        """code flow of a public client"""
        _, claims = sign_in("spa", None, "http://localhost:3000/callback")
        self.assertEqual(claims["aud"], "spa")

    def test_code_once(self):
        """a code works once"""
        session = OAuth2Session(CLIENT_ID, redirect_uri=REDIRECT_URI, scope=SCOPE, pkce="S256")
        url, _ = session.authorization_url(SERVER["authorization_endpoint"])
        callback = Person().authorize(url, REDIRECT_URI)
        proof = HTTPBasicAuth(CLIENT_ID, CLIENT_SECRET)
        session.fetch_token(SERVER["token_endpoint"], authorization_response=callback, auth=proof)
        with self.assertRaises(InvalidGrantError):
            session.fetch_token(SERVER["token_endpoint"], authorization_response=callback, auth=proof)

    def test_refresh(self):
        """refresh rotates"""
        session, _ = sign_in()
        old = dict(session.token)
        new = session.refresh_token(SERVER["token_endpoint"], auth=HTTPBasicAuth(CLIENT_ID, CLIENT_SECRET))
        self.assertNotEqual(new["refresh_token"], old["refresh_token"])
        self.assertNotEqual(new["access_token"], old["access_token"])
        self.assertEqual(session.get(SERVER["userinfo_endpoint"]).status_code, 200)

    def test_refresh_by_itself(self):
        """an expired access token is refreshed by the session itself"""
        updated = []
        session, claims = sign_in(
            auto_refresh_url=SERVER["token_endpoint"],
            auto_refresh_kwargs={"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET},
            token_updater=updated.append,
        )
        session.token = {**session.token, "expires_at": 1, "expires_in": -1}
        user = session.get(SERVER["userinfo_endpoint"])
        self.assertEqual(user.json()["sub"], claims["sub"])
        self.assertEqual(len(updated), 1)

    def test_introspection_and_revocation(self):
        """introspection tells what a token is, revocation ends it"""
        session, claims = sign_in()
        proof = HTTPBasicAuth(CLIENT_ID, CLIENT_SECRET)

        def introspect():
            form = {"token": session.token["access_token"]}
            return requests.post(SERVER["introspection_endpoint"], form, auth=proof).json()

        seen = introspect()
        self.assertTrue(seen["active"])
        self.assertEqual((seen["client_id"], seen["sub"]), (CLIENT_ID, claims["sub"]))
        form = {"token": session.token["refresh_token"], "token_type_hint": "refresh_token"}
        self.assertEqual(requests.post(SERVER["revocation_endpoint"], form, auth=proof).status_code, 200)
        self.assertEqual(introspect(), {"active": False})
        with self.assertRaises(InvalidGrantError):
            session.refresh_token(SERVER["token_endpoint"], auth=proof)

    def test_client_credentials(self):
        """client credentials"""
        session = OAuth2Session(client=BackendApplicationClient(CLIENT_ID))
        tokens = session.fetch_token(SERVER["token_endpoint"], client_id=CLIENT_ID, client_secret=CLIENT_SECRET)
        self.assertNotIn("refresh_token", tokens)

    def test_wrong_secret(self):
        """a wrong secret is invalid_client"""
        session = OAuth2Session(client=BackendApplicationClient(CLIENT_ID))
        with self.assertRaises(InvalidClientError):
            session.fetch_token(SERVER["token_endpoint"], client_id=CLIENT_ID, client_secret="wrong")

    def test_error_comes_back(self):
        """an error comes back to the redirect URI with state"""
        session = OAuth2Session(CLIENT_ID, redirect_uri=REDIRECT_URI, scope=SCOPE, pkce="S256")
        url, _ = session.authorization_url(SERVER["authorization_endpoint"], prompt="none")
        callback = Person().authorize(url, REDIRECT_URI)
        with self.assertRaises(OAuth2Error) as caught:
            session.fetch_token(SERVER["token_endpoint"], authorization_response=callback, client_secret=CLIENT_SECRET)
        self.assertEqual(caught.exception.error, "login_required")
