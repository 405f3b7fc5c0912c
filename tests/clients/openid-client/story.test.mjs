// The npm package openid-client as a relying party of `oidc-provider dev` with the demo clients.
// It checks what the specifications let a client check: signatures, iss, aud, nonce, state, at_hash.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as client from "openid-client";
import { Person } from "./person.mjs";

const issuer = new URL(process.env.ISSUER_URL);
const insecure = { execute: [client.allowInsecureRequests, client.enableNonRepudiationChecks] };
const web = { id: "client123", secret: "secret456", redirectUri: "http://localhost:8080/callback", home: "http://localhost:8080/" };
const spa = { id: "spa", redirectUri: "http://localhost:3000/callback" };

// opaque access tokens, offline_access and groups: shared/manifests/notes.yaml
const notes = { id: "notes", secret: "secret-of-notes", redirectUri: "http://localhost:8090/callback", home: "http://localhost:8090/" };
const erika = () => new Person("erika", "correct horse battery staple");

const discover = (app, authentication) =>
  client.discovery(issuer, app.id, app.secret, authentication ?? (app.secret ? undefined : client.None()), insecure);

// A sign-in from the first redirect to the tokens.
async function signIn(config, app, scope = "openid profile email", person = new Person("jdoe", "password"), more = {}) {
  const verifier = client.randomPKCECodeVerifier();
  const checks = { pkceCodeVerifier: verifier, expectedState: client.randomState(), expectedNonce: client.randomNonce() };
  const url = client.buildAuthorizationUrl(config, {
    redirect_uri: app.redirectUri,
    scope,
    state: checks.expectedState,
    nonce: checks.expectedNonce,
    code_challenge: await client.calculatePKCECodeChallenge(verifier),
    code_challenge_method: "S256",
    ...more,
  });
  const callback = await person.authorize(url, app.redirectUri);
  return { tokens: await client.authorizationCodeGrant(config, callback, { ...checks, idTokenExpected: true }), callback, checks };
}

test("code flow with PKCE, Basic authentication", async () => {
  const config = await discover(web, client.ClientSecretBasic(web.secret));
  const { tokens } = await signIn(config, web);
  const claims = tokens.claims();
  assert.equal(claims.iss, issuer.href.replace(/\/$/, ""));
  assert.equal(claims.aud, web.id);
  assert.equal(tokens.token_type, "bearer");
  const user = await client.fetchUserInfo(config, tokens.access_token, claims.sub);
  assert.ok(user.email.includes("@") && user.name, JSON.stringify(user));
});

test("code flow with the secret in the body", async () => {
  const config = await discover(web, client.ClientSecretPost(web.secret));
  await signIn(config, web);
});

test("code flow of a public client", async () => {
  const config = await discover(spa);
  const { tokens } = await signIn(config, spa, "openid");
  assert.equal(tokens.claims().aud, spa.id);
});

test("a code works once", async () => {
  const config = await discover(web);
  const { callback, checks } = await signIn(config, web);
  await assert.rejects(client.authorizationCodeGrant(config, callback, checks), { error: "invalid_grant", status: 400 });
});

test("a wrong verifier is refused", async () => {
  const config = await discover(web);
  const verifier = client.randomPKCECodeVerifier();
  const url = client.buildAuthorizationUrl(config, {
    redirect_uri: web.redirectUri,
    scope: "openid",
    code_challenge: await client.calculatePKCECodeChallenge(verifier),
    code_challenge_method: "S256",
  });
  const callback = await new Person("jdoe", "password").authorize(url, web.redirectUri);
  const other = { pkceCodeVerifier: client.randomPKCECodeVerifier() };
  await assert.rejects(client.authorizationCodeGrant(config, callback, other), { error: "invalid_grant" });
});

test("refresh rotates, introspection sees it, revocation ends it", async () => {
  const config = await discover(web);
  const { tokens } = await signIn(config, web);
  const next = await client.refreshTokenGrant(config, tokens.refresh_token);
  assert.notEqual(next.refresh_token, tokens.refresh_token);
  const seen = await client.tokenIntrospection(config, next.access_token);
  assert.equal(seen.active, true);
  assert.equal(seen.client_id, web.id);
  assert.equal((await client.tokenIntrospection(config, next.refresh_token)).active, true);
  await client.tokenRevocation(config, next.refresh_token);
  assert.equal((await client.tokenIntrospection(config, next.access_token)).active, false);
  await assert.rejects(client.refreshTokenGrant(config, next.refresh_token), { error: "invalid_grant" });
});

test("client credentials", async () => {
  const config = await discover(web);
  const tokens = await client.clientCredentialsGrant(config);
  assert.equal(tokens.refresh_token, undefined);
  assert.equal((await client.tokenIntrospection(config, tokens.access_token)).active, true);
});

test("a wrong secret is invalid_client", async () => {
  const config = await discover({ ...web, secret: "wrong" });
  await assert.rejects(client.clientCredentialsGrant(config), (error) => error.error === "invalid_client" || error.status === 401);
});

test("errors come back to the redirect URI with state and iss", async () => {
  const config = await discover(web);
  const state = client.randomState();
  const url = client.buildAuthorizationUrl(config, {
    redirect_uri: web.redirectUri,
    scope: "openid",
    state,
    prompt: "none",
    code_challenge: await client.calculatePKCECodeChallenge(client.randomPKCECodeVerifier()),
    code_challenge_method: "S256",
  });
  const callback = await new Person().authorize(url, web.redirectUri);
  await assert.rejects(client.authorizationCodeGrant(config, callback, { expectedState: state }), { error: "login_required" });
});

test("sign-out comes back to the application and ends the session with all that hangs on it", async () => {
  const config = await discover(web);
  const person = new Person("jdoe", "password");
  const { tokens } = await signIn(config, web, undefined, person);
  const second = await signIn(config, web, undefined, person); // by the session, with the same sid
  assert.equal(second.tokens.claims().sid, tokens.claims().sid);
  const state = client.randomState();
  const url = client.buildEndSessionUrl(config, { id_token_hint: tokens.id_token, post_logout_redirect_uri: web.home, state });
  const back = await person.signOut(url, web.home);
  assert.equal(back.searchParams.get("state"), state);
  await assert.rejects(client.refreshTokenGrant(config, second.tokens.refresh_token), { error: "invalid_grant" });
  assert.equal((await client.tokenIntrospection(config, tokens.access_token)).active, false);
  person.password = "asked for again";
  await assert.rejects(signIn(config, web, undefined, person), /credentials were refused/);
});

test("sign-out without a hint asks, and ends on the issuer's page", async () => {
  const config = await discover(web);
  const person = new Person("jdoe", "password");
  await signIn(config, web, undefined, person);
  const page = await person.signOut(client.buildEndSessionUrl(config, { post_logout_redirect_uri: "https://evil.example.com/" }));
  assert.match(page, /signed out/i);
});

test("dynamic registration, then a sign-in with what it gave", async () => {
  const redirectUri = "http://localhost:9123/callback";
  const metadata = { client_name: "Registered", redirect_uris: [redirectUri], token_endpoint_auth_method: "client_secret_basic" };
  const config = await client.dynamicClientRegistration(issuer, metadata, client.ClientSecretBasic(), insecure);
  const app = { id: config.clientMetadata().client_id, redirectUri };
  const { tokens } = await signIn(config, app, "openid");
  assert.equal(tokens.claims().aud, app.id);
});

test("form_post: the answer comes as a form that the browser posts", async () => {
  const config = await discover(web);
  const { tokens, callback } = await signIn(config, web, undefined, undefined, { response_mode: "form_post" });
  assert.equal(callback.method, "POST");
  assert.equal(new URL(callback.url).search, "");
  assert.equal(tokens.claims().aud, web.id);
});

test("offline_access: the refresh token outlives the sign-out, revocation ends it", async () => {
  const config = await discover(notes);
  const person = erika();
  const { tokens } = await signIn(config, notes, "openid offline_access", person, { prompt: "consent" });
  const bound = await signIn(config, notes, "openid", person);
  const url = client.buildEndSessionUrl(config, { id_token_hint: tokens.id_token, post_logout_redirect_uri: notes.home });
  await person.signOut(url, notes.home);
  await assert.rejects(client.refreshTokenGrant(config, bound.tokens.refresh_token), { error: "invalid_grant" });
  const next = await client.refreshTokenGrant(config, tokens.refresh_token);
  assert.equal((await client.fetchUserInfo(config, next.access_token, tokens.claims().sub)).sub, tokens.claims().sub);
  await client.tokenRevocation(config, next.refresh_token);
  await assert.rejects(client.refreshTokenGrant(config, next.refresh_token), { error: "invalid_grant" });
});

test("opaque access tokens: introspection and userinfo read them", async () => {
  const config = await discover(notes);
  const { tokens } = await signIn(config, notes, "openid profile", erika());
  assert.equal(tokens.access_token.split(".").length, 2, "no JWT");
  const seen = await client.tokenIntrospection(config, tokens.access_token);
  assert.deepEqual([seen.active, seen.sub, seen.client_id], [true, tokens.claims().sub, notes.id]);
  const user = await client.fetchUserInfo(config, tokens.access_token, tokens.claims().sub);
  assert.equal(user.name, "Erika Mustermann");
  await client.tokenRevocation(config, tokens.access_token);
  assert.deepEqual(await client.tokenIntrospection(config, tokens.access_token), { active: false });
});

test("groups are told to whom they were granted, and to nobody else", async () => {
  const config = await discover(notes);
  const { tokens } = await signIn(config, notes, "openid groups", erika());
  const user = await client.fetchUserInfo(config, tokens.access_token, tokens.claims().sub);
  assert.deepEqual(user.groups, ["editors", "staff"]);
  const other = await signIn(config, notes, "openid", erika());
  const less = await client.fetchUserInfo(config, other.tokens.access_token, other.tokens.claims().sub);
  assert.equal(less.groups, undefined);
});

test("a client that signs with its own key instead of sending a secret", async () => {
  const algorithms = [
    { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" },
    { name: "Ed25519" },
    { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256", modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]) },
    { name: "RSA-PSS", hash: "SHA-256", modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]) },
  ];
  for (const algorithm of algorithms) {
    const { privateKey, publicKey } = await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
    const redirectUri = "http://localhost:9124/callback";
    const metadata = {
      redirect_uris: [redirectUri],
      grant_types: ["authorization_code", "refresh_token", "client_credentials"],
      token_endpoint_auth_method: "private_key_jwt",
      jwks: { keys: [{ ...(await crypto.subtle.exportKey("jwk", publicKey)), kid: "one" }] },
    };
    const proof = (key) => client.PrivateKeyJwt({ key, kid: "one" });
    const config = await client.dynamicClientRegistration(issuer, metadata, proof(privateKey), insecure);
    assert.equal(config.clientMetadata().client_secret, undefined);
    const app = { id: config.clientMetadata().client_id, redirectUri };
    const { tokens } = await signIn(config, app, "openid");
    const next = await client.refreshTokenGrant(config, tokens.refresh_token);
    assert.equal((await client.tokenIntrospection(config, next.access_token)).active, true);
    await client.clientCredentialsGrant(config);
    await client.tokenRevocation(config, next.refresh_token);
    assert.equal((await client.tokenIntrospection(config, next.access_token)).active, false);
    const { privateKey: other } = await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
    const thief = await discover(app, proof(other));
    await assert.rejects(client.clientCredentialsGrant(thief), (error) => error.error === "invalid_client" || error.status === 401);
  }
});
