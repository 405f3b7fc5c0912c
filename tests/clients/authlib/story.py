"""The PyPI package Authlib as a relying party of `oidc-provider dev` with the demo clients, and as the
resource server that validates access tokens."""

import os
import time
import unittest

os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"  # the demo issuer is http on loopback; leave it out for https

import requests
from authlib.common.security import generate_token
from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata
from authlib.oauth2.rfc9068 import JWTBearerTokenValidator
from authlib.oidc.core import CodeIDToken
from authlib.oidc.discovery import OpenIDProviderMetadata
from joserfc import jwt
from joserfc.jwk import KeySet
from person import Person

ISSUER = os.environ["ISSUER_URL"]
SERVER = OpenIDProviderMetadata(requests.get(ISSUER + "/.well-known/openid-configuration").json())
KEYS = KeySet.import_key_set(requests.get(SERVER["jwks_uri"]).json())
WEB = {"client_id": "client123", "client_secret": "secret456", "redirect_uri": "http://localhost:8080/callback"}
SPA = {"client_id": "spa", "redirect_uri": "http://localhost:3000/callback"}


def session(app=WEB, **more):
    return OAuth2Session(
        **app, scope="openid profile email", code_challenge_method="S256", token_endpoint=SERVER["token_endpoint"], **more
    )


def sign_in(app=WEB, extra=None, **more):
    """A sign-in from the first redirect to the tokens: the session, and the claims of the ID token."""
    party, verifier, nonce = session(app, **more), generate_token(48), generate_token()
    url, state = party.create_authorization_url(
        SERVER["authorization_endpoint"], code_verifier=verifier, nonce=nonce, **(extra or {})
    )
    callback = Person().authorize(url, app["redirect_uri"])
    tokens = party.fetch_token(authorization_response=callback, state=state, code_verifier=verifier)
    return party, id_token_claims(tokens, app["client_id"], nonce)


def id_token_claims(tokens, client_id, nonce):
    """Signature, iss, aud, exp, nonce, at_hash."""
    token = jwt.decode(tokens["id_token"], KEYS, algorithms=SERVER["id_token_signing_alg_values_supported"])
    options = {"iss": {"essential": True, "value": ISSUER}, "aud": {"essential": True, "value": client_id}}
    parameters = {"nonce": nonce, "client_id": client_id, "access_token": tokens["access_token"]}
    claims = CodeIDToken(token.claims, token.header, options, parameters)
    claims.validate()
    return claims


class Story(unittest.TestCase):
    def test_metadata(self):
        """the discovery documents are well-formed"""
        SERVER.validate()
        other = requests.get(ISSUER + "/.well-known/oauth-authorization-server").json()
        AuthorizationServerMetadata(other).validate()

    def test_basic(self):
        """code flow with PKCE, Basic authentication, userinfo"""
        party, claims = sign_in()
        user = party.get(SERVER["userinfo_endpoint"]).json()  # the session adds the access token
        self.assertEqual((user["sub"], user["email"]), (claims["sub"], "jdoe@example.com"))

    def test_secret_in_the_body(self):
        """code flow with the secret in the body"""
        sign_in(token_endpoint_auth_method="client_secret_post")

    def test_public(self):
        """code flow of a public client"""
        _, claims = sign_in(SPA)
        self.assertEqual(claims["aud"], "spa")

    def test_max_age(self):
        """max_age brings auth_time"""
        _, claims = sign_in(extra={"max_age": 300})
        self.assertLess(abs(time.time() - claims["auth_time"]), 60)

    def test_refresh(self):
        """refresh rotates; an expired access token is refreshed by the session itself"""
        updated = []
        party, claims = sign_in(update_token=lambda token, refresh_token=None, access_token=None: updated.append(token))
        old = dict(party.token)
        new = party.refresh_token()
        self.assertNotEqual(new["refresh_token"], old["refresh_token"])
        party.token = {**new, "expires_at": 1}
        self.assertEqual(party.get(SERVER["userinfo_endpoint"]).json()["sub"], claims["sub"])
        self.assertEqual(len(updated), 2)

    def test_introspection_and_revocation(self):
        """introspection tells what a token is, revocation ends it"""
        party, claims = sign_in()
        token = party.token

        def introspect(value):
            return party.introspect_token(SERVER["introspection_endpoint"], token=value).json()

        seen = introspect(token["access_token"])
        self.assertEqual((seen["active"], seen["sub"]), (True, claims["sub"]))
        self.assertTrue(introspect(token["refresh_token"])["active"])
        answer = party.revoke_token(
            SERVER["revocation_endpoint"], token=token["refresh_token"], token_type_hint="refresh_token"
        )
        self.assertEqual(answer.status_code, 200)
        self.assertEqual(introspect(token["access_token"]), {"active": False})
        with self.assertRaises(OAuthError) as caught:
            party.refresh_token()
        self.assertEqual(caught.exception.error, "invalid_grant")

    def test_opaque_and_groups(self):
        """opaque access tokens: introspection and userinfo read them, groups with their scope"""
        notes = {"client_id": "notes", "client_secret": "secret-of-notes", "redirect_uri": "http://localhost:8090/callback"}
        party = OAuth2Session(
            **notes, scope="openid groups", code_challenge_method="S256", token_endpoint=SERVER["token_endpoint"]
        )
        verifier = generate_token(48)
        url, state = party.create_authorization_url(SERVER["authorization_endpoint"], code_verifier=verifier)
        person = Person("erika", "correct horse battery staple")
        callback = person.authorize(url, notes["redirect_uri"])
        token = party.fetch_token(authorization_response=callback, state=state, code_verifier=verifier)
        self.assertEqual(token["access_token"].count("."), 1)
        self.assertEqual(party.get(SERVER["userinfo_endpoint"]).json()["groups"], ["editors", "staff"])
        seen = party.introspect_token(SERVER["introspection_endpoint"], token=token["access_token"]).json()
        self.assertEqual((seen["active"], seen["client_id"]), (True, "notes"))

    def test_client_credentials(self):
        """client credentials; an API validates the access token by itself (RFC 9068)"""
        party = OAuth2Session(WEB["client_id"], WEB["client_secret"], token_endpoint=SERVER["token_endpoint"])
        tokens = party.fetch_token(grant_type="client_credentials")
        self.assertNotIn("refresh_token", tokens)

        class Validator(JWTBearerTokenValidator):
            def get_jwks(self):
                return KEYS

        validator = Validator(issuer=ISSUER, resource_server=ISSUER)
        claims = validator.authenticate_token(tokens["access_token"])
        validator.validate_token(claims, [], None)
        self.assertEqual(claims["client_id"], WEB["client_id"])

    def test_wrong_secret(self):
        """a wrong secret is invalid_client"""
        party = OAuth2Session(WEB["client_id"], "wrong", token_endpoint=SERVER["token_endpoint"])
        with self.assertRaises(OAuthError) as caught:
            party.fetch_token(grant_type="client_credentials")
        self.assertEqual(caught.exception.error, "invalid_client")

    def test_error_comes_back(self):
        """an error comes back to the redirect URI with state"""
        party = session()
        verifier = generate_token(48)
        url, state = party.create_authorization_url(SERVER["authorization_endpoint"], code_verifier=verifier, prompt="none")
        callback = Person().authorize(url, WEB["redirect_uri"])
        self.assertIn(f"state={state}", callback)
        self.assertIn("error=login_required", callback)
