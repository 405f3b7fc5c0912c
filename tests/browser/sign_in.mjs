// Signing in: the form, what is wrong in it, whom it lets in.
import assert from "node:assert/strict";
import { story } from "./world.mjs";

story("a login ends in tokens for the person", {}, async (visit) => {
  await visit.start("trusted");
  assert.equal(await visit.page.title(), "Sign in");
  assert.equal(await visit.page.locator("html").getAttribute("lang"), "en");
  await visit.page.getByText("Trusted").first().waitFor();
  await visit.signIn();
  const { tokens } = await visit.greeted();
  assert.equal(tokens.claims().sub, visit.person.subject);
  assert.ok(tokens.access_token);
});

story("a wrong password: the form again, the name kept, the password gone, the problem announced", {}, async (visit) => {
  await visit.start("trusted");
  for (const wrong of ["wrong", "wrong again"]) {
    await visit.signIn({ ...visit.person, password: wrong });
    const alert = await visit.problem("wrong");
    assert.equal(await visit.field("username").inputValue(), visit.person.username);
    assert.equal(await visit.field("password").inputValue(), "");
    const [username, password] = [visit.field("username"), visit.field("password")];
    for (const field of [username, password]) {
      assert.equal(await field.getAttribute("aria-describedby"), await alert.getAttribute("id"), "the fields say what is wrong");
    }
    await visit.page.waitForFunction(() => document.activeElement?.name === "password");
  }
  await visit.field("password").fill(visit.person.password);
  await visit.field("password").press("Enter");
  await visit.greeted();
});

story("a name that nobody has is treated like a wrong password", {}, async (visit) => {
  await visit.start("trusted");
  await visit.signIn({ username: "nobody <b>at all</b>", password: "wrong" });
  const alert = await visit.problem("wrong");
  const told = await alert.textContent();
  assert.equal(await visit.field("username").inputValue(), "nobody <b>at all</b>");
  await visit.signIn({ ...visit.person, password: "wrong" });
  assert.equal(await (await visit.problem("wrong")).textContent(), told);
});

story("an empty form is not sent", {}, async (visit) => {
  await visit.start("trusted");
  const before = visit.page.url();
  await visit.page.getByRole("button", { name: "Sign in" }).click();
  assert.equal(visit.page.url(), before);
  assert.equal(await visit.field("username").evaluate((field) => field.validity.valueMissing && field.matches(":focus")), true);
});

story("too many wrong passwords: the form says how long to wait", {}, async (visit) => {
  await visit.start("trusted");
  const statuses = [];
  // ten are let through, and one more after each growing pause, which a slow machine may reach
  while (statuses.at(-1) !== 429 && statuses.length < 20) {
    const answer = visit.page.waitForResponse((response) => response.url().endsWith("/login"));
    await visit.signIn({ ...visit.person, password: "wrong" });
    statuses.push((await answer).status());
    await visit.page.getByRole("alert").waitFor();
  }
  assert.ok(statuses.length > 10 && statuses.at(-1) === 429, statuses.join());
  await visit.problem("Wait");
  assert.equal(await visit.field("username").inputValue(), visit.person.username);
});

story("who may not use the application ends there with access_denied", {}, async (visit) => {
  await visit.start("closed");
  await visit.signIn();
  await visit.refused("access_denied");
});

story("who is disabled may not sign in", { person: { disabled: true } }, async (visit) => {
  await visit.start("trusted");
  await visit.signIn();
  await visit.refused("access_denied");
  await visit.page.goto(`${visit.issuer}/account`);
  await visit.signIn();
  await visit.problem("may not sign in");
});

story("signed in once, other applications ask for no password", {}, async (visit) => {
  await visit.signedIn();
  await visit.start("trusted");
  await visit.greeted();
  await visit.start("trusted", { prompt: "login" });
  await visit.field("password").waitFor();
  await visit.signIn();
  await visit.greeted();
});

story("the login hint fills the name, and the password has the focus", {}, async (visit) => {
  await visit.start("trusted", { login_hint: visit.person.username });
  assert.equal(await visit.field("username").inputValue(), visit.person.username);
  await visit.page.waitForFunction(() => document.activeElement?.name === "password");
});

story("two tabs that sign in at once do not disturb each other", {}, async (visit) => {
  const [first, second] = [visit.page, await visit.context.newPage()];
  await Promise.all([first.goto(visit.rp.start("shop")), second.goto(visit.rp.start("long"))]);
  for (const page of [first, second]) await page.locator("[name=username]").fill(visit.person.username);
  for (const page of [first, second]) {
    await page.locator("[name=password]").fill(visit.person.password);
    await page.locator("[name=password]").press("Enter");
    await page.locator("button[value=allow]").waitFor();
  }
  for (const [page, client] of [[second, "long"], [first, "shop"]]) {
    await page.locator("button[value=allow]").click();
    const { tokens } = await visit.greeted(visit.person, page);
    assert.equal(tokens.claims().aud, client);
  }
});

story("going back after a login shows no password and no old form", {}, async (visit) => {
  await visit.start("careful");
  await visit.signIn({ ...visit.person, password: "a secret typo" });
  await visit.problem("wrong");
  await visit.signIn();
  await visit.allow();
  await visit.greeted();
  const seen = [];
  for (let step = 0; step < 4; step++) {
    // an answer to a form is not kept either: the browser shows a page of its own instead
    await visit.page.goBack({ waitUntil: "commit" }).catch((error) => assert.match(String(error), /ERR_CACHE_MISS/));
    await visit.page.waitForLoadState();
    seen.push(visit.page.url());
    for (const field of await visit.page.locator("[name=password]").all()) assert.equal(await field.inputValue(), "");
    const text = await visit.page.content();
    assert.ok(!text.includes("a secret typo") && !text.includes(visit.person.password));
  }
  assert.ok(seen.some((url) => url.startsWith(visit.issuer) || url.startsWith("chrome-error:")), seen.join());
  visit.expected.push(/ERR_CACHE_MISS/);
});

for (const [lang, name] of [["de", "Anmelden"], ["fr", "Se connecter"], ["es", "Iniciar sesión"], ["ja", "サインイン"]]) {
  story(`the login page speaks the browser's language: ${lang}`, { locale: lang }, async (visit) => {
    await visit.start("trusted");
    assert.equal(await visit.page.locator("html").getAttribute("lang"), lang);
    await visit.page.getByRole("heading", { level: 1, name }).waitFor();
    // and that of the application, which counts more
    await visit.start("trusted", { ui_locales: "en" });
    assert.equal(await visit.page.locator("html").getAttribute("lang"), "en");
  });
}
