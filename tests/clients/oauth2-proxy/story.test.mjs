// oauth2-proxy in front of an application that knows nothing of OpenID Connect: it reads headers.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, before, test } from "node:test";
import { Person } from "./person.mjs";

const app = process.env.APP_URL;
const callback = `${app}/oauth2/callback`;

// The application: it answers with the headers that it was sent.
const upstream = createServer((request, response) => {
  response.setHeader("content-type", "application/json");
  response.end(JSON.stringify(request.headers));
});
before(() => new Promise((ready) => upstream.listen(process.env.UPSTREAM_PORT, "127.0.0.1", ready)));
after(() => upstream.close() && upstream.closeAllConnections());

// Opens a page of the application and signs in on the way; what the application was sent.
async function visit(person, path = "/") {
  const back = await person.fetch(await person.authorize(app + path, callback));
  assert.equal(back.status, 302, await back.text());
  const page = await person.fetch(new URL(back.headers.get("location"), app));
  assert.equal(page.status, 200);
  return page.json();
}

test("a stranger is sent to the issuer, with PKCE", async () => {
  const page = await new Person().fetch(`${app}/reports`);
  const target = new URL(page.headers.get("location"));
  assert.equal(target.origin + target.pathname, `${process.env.ISSUER_URL}/authorize`);
  assert.equal(target.searchParams.get("code_challenge_method"), "S256");
});

test("the application is told who came", async () => {
  const headers = await visit(new Person("jdoe", "password"), "/reports");
  assert.equal(headers["x-forwarded-user"], "user-123");
  assert.equal(headers["x-forwarded-email"], "jdoe@example.com");
  assert.equal(headers["x-forwarded-preferred-username"], "jdoe");
  assert.ok(headers["x-forwarded-access-token"]);
});

test("access tokens are refreshed on the way", async () => {
  const person = new Person("jdoe", "password");
  const first = (await visit(person))["x-forwarded-access-token"];
  const seen = new Set([first]);
  const end = Date.now() + 20_000;
  while (seen.size < 3) {
    assert.ok(Date.now() < end, `refreshed ${seen.size - 1} times`);
    const page = await person.fetch(`${app}/`);
    assert.equal(page.status, 200, "the session goes on");
    seen.add((await page.json())["x-forwarded-access-token"]);
    await new Promise((next) => setTimeout(next, 50));
  }
});

test("a program brings an ID token", async () => {
  const { authorization } = await visit(new Person("jdoe", "password"));
  assert.match(authorization, /^Bearer ey/);
  const page = await fetch(`${app}/api`, { headers: { authorization } });
  assert.equal(page.status, 200);
  assert.equal((await page.json())["x-forwarded-user"], "user-123");
  const forged = await fetch(`${app}/api`, { headers: { authorization: `${authorization.slice(0, -8)}AAAAAAAA` }, redirect: "manual" });
  assert.notEqual(forged.status, 200);
});

test("signed out of both, by one link", async () => {
  const person = new Person("jdoe", "password");
  await visit(person);
  const issuer = `${process.env.ISSUER_URL}/end_session?client_id=proxied-app`;
  const page = await person.signOut(`${app}/oauth2/sign_out?rd=${encodeURIComponent(issuer)}`);
  assert.match(page, /signed out/i);
  person.password = "asked for again";
  await assert.rejects(visit(person), /credentials were refused/);
});

test("signed out of the application, the issuer's session spares the form", async () => {
  const person = new Person("jdoe", "password");
  await visit(person);
  await person.fetch(`${app}/oauth2/sign_out`);
  assert.equal((await person.fetch(`${app}/`)).status, 302);
  person.password = "not asked again";
  assert.equal((await visit(person))["x-forwarded-user"], "user-123");
});
