// The application in headless Chromium: sign-in, both ways of renewal, what happens when they fail.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { after, before, test } from "node:test";
import { chromium } from "playwright-core";

const issuer = process.env.ISSUER_URL;
const app = `http://localhost:${process.env.APP_PORT}`;
let renewAfter = false; // whether pages that are opened now renew at once, and again and again

// The application's files; every address is the one page.
const server = createServer(async (request, response) => {
  if (request.url === "/settings.json") return response.end(JSON.stringify({ authority: issuer, renewAfter }));
  const script = request.url === "/app.js";
  response.setHeader("content-type", script ? "text/javascript" : "text/html");
  response.end(await readFile(script ? "public/app.js" : "public/index.html"));
});
let browser;
before(async () => {
  await new Promise((ready) => server.listen(process.env.APP_PORT, "localhost", ready));
  browser = await chromium.launch({
    executablePath: "/usr/bin/chromium-headless-shell",
    args: ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
  });
});
after(async () => {
  await browser?.close();
  server.close();
  server.closeAllConnections();
});

// A person's own browser, in which every failed request and every error of a script is remembered.
async function open(t) {
  const context = await browser.newContext();
  context.setDefaultTimeout(15_000);
  t.after(() => context.close());
  const page = await context.newPage();
  const errors = [];
  page.on("pageerror", (error) => errors.push(String(error)));
  page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
  return { context, page, errors };
}

async function signIn(page, way) {
  await page.goto(`${app}/${way}/`);
  await page.getByRole("button", { name: "Sign in" }).click();
  const password = page.locator("[name=password]");
  const allow = page.locator("button[value=allow]");
  const greeting = page.getByRole("heading", { name: "Hello user-123" });
  await password.or(allow).or(greeting).waitFor();
  if (await password.isVisible()) {
    await page.locator("[name=username]").fill("jdoe");
    await password.fill("password");
    await password.press("Enter");
    await allow.or(greeting).waitFor();
  }
  if (await allow.isVisible()) await allow.click();
  await greeting.waitFor();
}

const token = (page) => page.getByLabel("access token").textContent();

// Waits until the page shows another access token than this one.
async function renewed(page, old) {
  await page.waitForFunction((old) => {
    const now = document.querySelector("[aria-label='access token']")?.textContent;
    return now && now !== old;
  }, old);
  return token(page);
}

for (const way of ["refresh", "iframe"]) {
  test(`${way}: sign-in, userinfo from another origin, a reload`, async (t) => {
    const { page, errors } = await open(t);
    await signIn(page, way);
    await page.getByRole("button", { name: "Who am I?" }).click();
    assert.equal(await page.getByLabel("user").textContent(), "John Doe, jdoe@example.com");
    assert.equal(new URL(page.url()).search, "", "code and state are gone from the address");
    await page.reload();
    await page.getByRole("heading", { name: "Hello user-123" }).waitFor();
    assert.deepEqual(errors, []);
  });

  test(`${way}: tokens are renewed by themselves`, async (t) => {
    const { page, errors } = await open(t);
    const [grants, frames] = [[], []];
    page.on("request", (request) => {
      const url = new URL(request.url());
      if (url.pathname === "/token") grants.push(new URLSearchParams(request.postData()).get("grant_type"));
      if (url.pathname === "/authorize" && request.frame() !== page.mainFrame()) frames.push(url.searchParams.get("prompt"));
    });
    renewAfter = true;
    t.after(() => (renewAfter = false));
    await signIn(page, way);
    const first = await token(page);
    await renewed(page, await renewed(page, first));
    const again = grants.slice(1);
    assert.ok(again.length >= 2, grants.join());
    assert.ok(again.every((grant) => grant === (way === "refresh" ? "refresh_token" : "authorization_code")), again.join());
    assert.equal(frames.length >= 2, way === "iframe", "the hidden frame is for those without a refresh token");
    assert.ok(frames.every((prompt) => prompt === "none"));
    assert.deepEqual(errors, []);
  });
}

test("iframe: without a session at the issuer the application learns login_required", async (t) => {
  const { context, page } = await open(t);
  renewAfter = true;
  t.after(() => (renewAfter = false));
  await signIn(page, "iframe");
  await context.clearCookies();
  await page.getByRole("alert").filter({ hasText: "login_required" }).waitFor();
});

for (const [way, learns] of [["refresh", "invalid_grant"], ["iframe", "login_required"]]) {
  test(`${way}: sign-out comes back to the application; another one, in another tab, learns of it`, async (t) => {
    const { context, page } = await open(t);
    await signIn(page, way);
    renewAfter = true;
    t.after(() => (renewAfter = false));
    const other = await context.newPage();
    await signIn(other, way);
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByRole("button", { name: "Sign in" }).waitFor();
    assert.equal(new URL(page.url()).pathname, `/${way}/`);
    await other.getByRole("alert").filter({ hasText: learns }).waitFor();
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.locator("[name=password]").waitFor();
  });
}

test("a second application is signed in without a form", async (t) => {
  const { page } = await open(t);
  await signIn(page, "refresh");
  await page.goto(`${app}/iframe/`);
  await page.getByRole("button", { name: "Sign in" }).click();
  const allow = page.locator("button[value=allow]");
  await allow.or(page.getByRole("heading", { name: "Hello user-123" })).waitFor();
  assert.equal(await page.locator("[name=password]").count(), 0);
});

test("who denies comes back with access_denied", async (t) => {
  const { page } = await open(t);
  await page.goto(`${app}/refresh/`);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.locator("[name=username]").fill("jdoe");
  await page.locator("[name=password]").fill("password");
  await page.locator("[name=password]").press("Enter");
  await page.locator("button[value=deny]").click();
  await page.getByRole("alert").filter({ hasText: "access_denied" }).waitFor();
});
