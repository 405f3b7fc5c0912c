// The npm package oauth4webapi as a relying party of `oidc-provider dev` with the demo clients, and as
// the resource server that validates access tokens. It does nothing by itself: every check is a call.
import assert from "node:assert/strict";
import { before, test } from "node:test";
import * as oauth from "oauth4webapi";
import { Person } from "./person.mjs";

const issuer = new URL(process.env.ISSUER_URL);
const http = { [oauth.allowInsecureRequests]: true }; // the demo issuer is http on loopback; leave it out for https
const redirectUri = "http://localhost:8080/callback";
const client = { client_id: "client123" };
const secret = "secret456";
const basic = oauth.ClientSecretBasic(secret);

let server; // the issuer's metadata
before(async () => {
  server = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, http));
});

// A sign-in from the first redirect to the tokens.
async function signIn({ app = client, authentication = basic, redirect = redirectUri, more = {} } = {}) {
  const verifier = oauth.generateRandomCodeVerifier();
  const [state, nonce] = [oauth.generateRandomState(), oauth.generateRandomNonce()];
  const url = new URL(server.authorization_endpoint);
  url.search = new URLSearchParams({
    client_id: app.client_id,
    redirect_uri: redirect,
    response_type: "code",
    scope: "openid profile email",
    state,
    nonce,
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: "S256",
    ...more,
  });
  const callback = await new Person("jdoe", "password").authorize(url, redirect);
  const parameters = oauth.validateAuthResponse(server, app, callback, state); // iss and state
  const response = await oauth.authorizationCodeGrantRequest(
    server, app, authentication, parameters, redirect, verifier, http,
  );
  const tokens = await oauth.processAuthorizationCodeResponse(server, app, response, {
    expectedNonce: nonce,
    requireIdToken: true,
  });
  await oauth.validateApplicationLevelSignature(server, response, http); // by the published keys
  return { tokens, parameters, verifier, claims: oauth.getValidatedIdTokenClaims(tokens) };
}

const introspect = async (token) =>
  oauth.processIntrospectionResponse(
    server, client, await oauth.introspectionRequest(server, client, basic, token, http),
  );
const refresh = async (token, app = client, authentication = basic) =>
  oauth.processRefreshTokenResponse(
    server, app, await oauth.refreshTokenGrantRequest(server, app, authentication, token, http),
  );
const revoke = async (token) =>
  oauth.processRevocationResponse(await oauth.revocationRequest(server, client, basic, token, http));

// A request as it reaches an API with this access token.
const apiRequest = (token) => new Request("https://api.example.com/things", { headers: { authorization: `Bearer ${token}` } });

test("both discovery documents are the issuer's", async () => {
  const response = await oauth.discoveryRequest(issuer, { ...http, algorithm: "oauth2" });
  const metadata = await oauth.processDiscoveryResponse(issuer, response);
  assert.equal(metadata.token_endpoint, server.token_endpoint);
  assert.ok(metadata.code_challenge_methods_supported.includes("S256"));
  assert.equal(metadata.authorization_response_iss_parameter_supported, true);
});

test("code flow with PKCE, signature, nonce, userinfo", async () => {
  const { tokens, claims } = await signIn();
  assert.equal(claims.aud, client.client_id);
  const response = await oauth.userInfoRequest(server, client, tokens.access_token, http);
  const user = await oauth.processUserInfoResponse(server, client, claims.sub, response);
  assert.equal(user.email, "jdoe@example.com");
  assert.equal(user.preferred_username, "jdoe");
});

test("code flow with the secret in the body", async () => {
  const { claims } = await signIn({ authentication: oauth.ClientSecretPost(secret) });
  assert.equal(claims.aud, client.client_id);
});

test("public clients, of the web and with a scheme of their own", async () => {
  for (const [client_id, redirect] of [["spa", "http://localhost:3000/callback"], ["mobile-client", "com.yourapp://callback"]]) {
    const app = { client_id };
    const { tokens, claims } = await signIn({ app, authentication: oauth.None(), redirect });
    assert.equal(claims.aud, client_id);
    const next = await refresh(tokens.refresh_token, app, oauth.None());
    assert.notEqual(next.refresh_token, tokens.refresh_token);
  }
});

test("max_age brings auth_time", async () => {
  const { claims } = await signIn({ more: { max_age: "300" } });
  assert.ok(Math.abs(Date.now() / 1000 - claims.auth_time) < 60, JSON.stringify(claims));
});

test("a code works once", async () => {
  const { parameters, verifier } = await signIn();
  const response = await oauth.authorizationCodeGrantRequest(server, client, basic, parameters, redirectUri, verifier, http);
  await assert.rejects(oauth.processAuthorizationCodeResponse(server, client, response), { error: "invalid_grant", status: 400 });
});

test("an error comes back to the redirect URI with state and iss", async () => {
  const state = oauth.generateRandomState();
  const url = new URL(server.authorization_endpoint);
  url.search = new URLSearchParams({
    client_id: client.client_id, redirect_uri: redirectUri, response_type: "code", scope: "openid", prompt: "none", state,
    code_challenge: await oauth.calculatePKCECodeChallenge(oauth.generateRandomCodeVerifier()), code_challenge_method: "S256",
  });
  const callback = await new Person().authorize(url, redirectUri);
  assert.throws(() => oauth.validateAuthResponse(server, client, callback, state), { error: "login_required" });
});

test("refresh keeps the person and rotates the token", async () => {
  const { tokens, claims } = await signIn();
  const next = await refresh(tokens.refresh_token);
  assert.notEqual(next.refresh_token, tokens.refresh_token);
  const again = oauth.getValidatedIdTokenClaims(next);
  if (again) assert.equal(again.sub, claims.sub);
});

test("introspection tells what a token is, revocation ends it", async () => {
  const { tokens, claims } = await signIn();
  const seen = await introspect(tokens.access_token);
  assert.deepEqual([seen.active, seen.client_id, seen.sub, seen.iss], [true, client.client_id, claims.sub, server.issuer]);
  assert.equal((await introspect(tokens.refresh_token)).active, true);
  await revoke(tokens.refresh_token);
  assert.deepEqual(await introspect(tokens.access_token), { active: false });
  await assert.rejects(refresh(tokens.refresh_token), { error: "invalid_grant" });
  await revoke("unknown"); // RFC 7009 §2.2: no error
});

test("client credentials", async () => {
  const parameters = new URLSearchParams(); // scopes of identity make no sense without a person
  const response = await oauth.clientCredentialsGrantRequest(server, client, basic, parameters, http);
  const tokens = await oauth.processClientCredentialsResponse(server, client, response);
  assert.equal(tokens.refresh_token, undefined);
  const claims = await oauth.validateJwtAccessToken(server, apiRequest(tokens.access_token), server.issuer, http);
  assert.deepEqual([claims.client_id, claims.sub], [client.client_id, client.client_id]);
});

test("a wrong secret is invalid_client", async () => {
  const wrong = oauth.ClientSecretBasic("wrong");
  const response = await oauth.clientCredentialsGrantRequest(server, client, wrong, new URLSearchParams(), http);
  assert.equal(response.status, 401);
  await assert.rejects(oauth.processClientCredentialsResponse(server, client, response), (error) =>
    error instanceof oauth.WWWAuthenticateChallengeError && error.cause[0].scheme === "basic");
});

test("an API validates access tokens by itself (RFC 9068)", async () => {
  const { tokens, claims } = await signIn();
  const seen = await oauth.validateJwtAccessToken(server, apiRequest(tokens.access_token), server.issuer, http);
  assert.equal(seen.sub, claims.sub);
  assert.equal(seen.client_id, client.client_id);
  assert.ok(seen.scope.split(" ").includes("email"));
  await assert.rejects(oauth.validateJwtAccessToken(server, apiRequest(tokens.access_token), "https://other.example.com", http));
  await assert.rejects(oauth.validateJwtAccessToken(server, apiRequest(tokens.id_token), server.issuer, http), "an ID token is no access token");
});

test("userinfo challenges those without a good token", async () => {
  const { claims } = await signIn();
  const response = await oauth.userInfoRequest(server, client, "no.such.token", http);
  await assert.rejects(oauth.processUserInfoResponse(server, client, claims.sub, response), (error) => {
    const [challenge] = error.cause;
    return challenge.scheme === "bearer" && challenge.parameters.error === "invalid_token";
  });
});

test("dynamic registration", async () => {
  const metadata = { redirect_uris: [redirectUri], token_endpoint_auth_method: "client_secret_basic" };
  const app = await oauth.processDynamicClientRegistrationResponse(
    await oauth.dynamicClientRegistrationRequest(server, metadata, http),
  );
  const { claims } = await signIn({ app, authentication: oauth.ClientSecretBasic(app.client_secret), more: { scope: "openid" } });
  assert.equal(claims.aud, app.client_id);
});

test("form_post: the answer comes as a form that the browser posts", async () => {
  const state = oauth.generateRandomState();
  const verifier = oauth.generateRandomCodeVerifier();
  const url = new URL(server.authorization_endpoint);
  url.search = new URLSearchParams({
    client_id: client.client_id, redirect_uri: redirectUri, response_type: "code", scope: "openid", state, response_mode: "form_post",
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier), code_challenge_method: "S256",
  });
  const posted = await new Person("jdoe", "password").authorize(url, redirectUri);
  const callback = new URLSearchParams(await posted.text());
  const parameters = oauth.validateAuthResponse(server, client, callback, state);
  const response = await oauth.authorizationCodeGrantRequest(server, client, basic, parameters, redirectUri, verifier, http);
  const tokens = await oauth.processAuthorizationCodeResponse(server, client, response);
  assert.ok(tokens.id_token);
});
