// The account page: sessions and what was allowed, and ending either.
import assert from "node:assert/strict";
import { story, strict } from "./world.mjs";

const firefox = { userAgent: "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0" };
const open = (visit) => visit.page.goto(`${visit.issuer}/account`);
const session = (visit, device) => visit.page.locator("form", { has: visit.page.getByRole("heading", { level: 3, name: device }) });
const sessions = (visit) => visit.page.locator("form:has([name=session])").count();

story("account: it asks to sign in and comes back", {}, async (visit) => {
  await open(visit);
  await visit.signIn();
  await visit.page.getByText(visit.person.username).first().waitFor();
  assert.equal(new URL(visit.page.url()).pathname, "/account");
  assert.equal(await sessions(visit), 1);
});

story("account: the session of another browser is listed, and signed out from here", {}, async (visit, { another }) => {
  const elsewhere = await another(visit.person, firefox);
  await elsewhere.signedIn();
  await visit.signedIn();
  await open(visit);
  assert.equal(await sessions(visit), 2);
  await visit.page.getByRole("button", { name: /^Sign out .*Firefox/ }).click();
  await visit.page.getByRole("status").waitFor();
  assert.equal(await sessions(visit), 1);

  await elsewhere.start("trusted");
  await elsewhere.field("password").waitFor();
  await visit.start("trusted");
  await visit.greeted();
});

story("account: signing out here ends this session", {}, async (visit) => {
  await visit.signedIn();
  await open(visit);
  await session(visit, /Chrome/).getByRole("button").click();
  await visit.field("password").waitFor();
  await visit.start("trusted");
  await visit.field("password").waitFor();
});

story("account: signing out everywhere else leaves this one", {}, async (visit, { another }) => {
  const elsewhere = await another(visit.person, firefox);
  await elsewhere.signedIn();
  await visit.signedIn();
  await open(visit);
  await visit.button("this").click();
  await visit.page.getByRole("status").waitFor();
  assert.equal(await sessions(visit), 1);
  await elsewhere.start("trusted");
  await elsewhere.field("password").waitFor();
});

story("account: a consent is withdrawn, and the application must ask again", {}, async (visit) => {
  await visit.start("shop");
  await visit.signIn();
  await visit.allow();
  await visit.greeted();
  await open(visit);
  const shop = visit.page.locator("li", { has: visit.page.getByRole("heading", { level: 3, name: "Corner Shop" }) });
  await shop.getByRole("button").click();
  await visit.page.getByRole("status").waitFor();
  assert.equal(await shop.count(), 0);
  await visit.start("shop");
  await visit.button("allow").waitFor();
});

story("account: a while after the login, signing out everywhere asks for the password", { world: strict }, async (visit, { another }) => {
  const elsewhere = await another(visit.person, firefox);
  await elsewhere.signedIn();
  await visit.signedIn();
  await visit.world.wait(6);
  await open(visit);
  await visit.button("none").click();
  await visit.field("password").fill("wrong");
  await visit.field("password").press("Enter");
  const alert = await visit.problem("wrong");
  assert.equal(await visit.field("password").inputValue(), "");
  assert.equal(await visit.field("password").getAttribute("aria-describedby"), await alert.getAttribute("id"));
  await visit.start("trusted");
  await visit.greeted(); // nothing has happened

  await open(visit);
  await visit.button("none").click();
  await visit.field("password").fill(visit.person.password);
  await visit.field("password").press("Enter");
  await visit.field("username").waitFor();
  for (const one of [visit, elsewhere]) {
    await one.start("trusted");
    await one.field("password").waitFor();
  }
});

story("session limit: ending the oldest lets one in, refusing does not", { world: strict }, async (visit, { another }) => {
  const [oldest, newer] = [await another(visit.person, firefox), await another()];
  await oldest.signedIn();
  await newer.signedIn();
  await visit.start("trusted");
  await visit.signIn();
  await visit.button("cancel").click();
  await visit.refused("access_denied");

  await visit.start("trusted");
  await visit.signIn();
  await visit.page.getByText(/Firefox/).waitFor();
  await visit.button("end_oldest").click();
  await visit.greeted();
  await newer.start("trusted");
  await newer.greeted();
  await oldest.start("trusted");
  await oldest.field("password").waitFor();
});
