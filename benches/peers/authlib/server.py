"""Flask and Authlib as they are run in production (gunicorn, one sync worker), with what the bench asks for:
JWT access tokens (RFC 9068) by client_credentials, signed with RS256. The key is parsed once."""
import json

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import ClientMixin, grants
from authlib.oauth2.rfc9068 import JWTBearerTokenGenerator
from flask import Flask, Response
from joserfc.jwk import KeySet, RSAKey

ISSUER = "http://localhost"
SECRET = "a-secret-that-only-the-benchmark-uses-0123456789"
KEYS = KeySet([RSAKey.generate_key(2048, {"kid": "RS256", "alg": "RS256", "use": "sig"}, private=True)])


class Client(ClientMixin):
    client_id = "bench"

    def get_client_id(self):
        return self.client_id

    def check_client_secret(self, client_secret):
        import hmac

        return hmac.compare_digest(client_secret, SECRET)

    def check_endpoint_auth_method(self, method, endpoint):
        return method == "client_secret_basic"

    def check_grant_type(self, grant_type):
        return grant_type == "client_credentials"

    def get_allowed_scope(self, scope):
        return ""


class Tokens(JWTBearerTokenGenerator):
    def get_jwks(self):
        return KEYS

    def get_audiences(self, client, user, scope):
        return ISSUER


CLIENTS = {"bench": Client()}
app = Flask(__name__)
server = AuthorizationServer(app, query_client=CLIENTS.get, save_token=lambda token, request: None)
server.register_token_generator("client_credentials", Tokens(issuer=ISSUER, expires_generator=lambda *_: 900))
server.register_grant(grants.ClientCredentialsGrant)
JWKS = json.dumps(KEYS.as_dict(private=False))


@app.post("/token")
def token():
    return server.create_token_response()


@app.get("/jwks")
def jwks():
    return Response(JWKS, mimetype="application/json")
