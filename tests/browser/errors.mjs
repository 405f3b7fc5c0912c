// What cannot go on: the person reads why, and nobody is sent anywhere that was not proven.
import assert from "node:assert/strict";
import { story, strict } from "./world.mjs";

const address = (visit, parameters) =>
  `${visit.issuer}/authorize?${new URLSearchParams({ response_type: "code", scope: "openid", client_id: "shop", ...parameters })}`;

// A page of ours with a heading, a sentence and the number to ask for help with.
async function told(visit, response, status) {
  assert.equal(response.status(), status);
  assert.ok(visit.page.url().startsWith(visit.issuer));
  assert.equal(await visit.page.getByRole("heading", { level: 1 }).count(), 1);
  assert.match(await visit.page.locator("main").textContent(), /[0-9a-f]{16}/);
}

story("error: an unknown client", {}, async (visit) => {
  await told(visit, await visit.page.goto(address(visit, { client_id: "<i>nobody</i>" })), 400);
  assert.equal(await visit.page.locator("main i").count(), 0);
});

story("error: a redirect URI that is not registered", {}, async (visit) => {
  await told(visit, await visit.page.goto(address(visit, { redirect_uri: "https://evil.example.com/" })), 400);
  assert.equal(await visit.page.locator("a[href*=evil]").count(), 0);
});

story("error: what is wrong otherwise is told to the application", {}, async (visit) => {
  await visit.start("shop", { scope: "openid", response_type: "token" });
  await visit.refused("unsupported_response_type");
});

story("error: nothing is at an address", {}, async (visit) => {
  await told(visit, await visit.page.goto(`${visit.issuer}/nothing`), 404);
});

// Sends the form that is shown after its hidden field was changed; without scripts a person cannot do that.
async function sendWith(visit, name, change) {
  await visit.field(name).evaluate((field, change) => (field.value = change + field.value.slice(change.length)), change);
  const answer = visit.page.waitForResponse((response) => response.request().method() === "POST");
  await visit.signIn();
  return answer;
}

for (const field of ["_request", "_csrf"]) {
  story(`error: a forged ${field}`, {}, async (visit) => {
    await visit.start("shop");
    await told(visit, await sendWith(visit, field, "AAAAAAAA"), 400);
    // the way on: the application
    await visit.start("trusted");
    await visit.signIn();
    await visit.greeted();
  });
}

story("error: a form of another browser", {}, async (visit, { another }) => {
  const elsewhere = await another();
  for (const one of [visit, elsewhere]) await one.start("shop");
  const stolen = await elsewhere.field("_request").inputValue();
  await told(visit, await sendWith(visit, "_request", stolen), 400);
});

story("error: a form that was open for too long", { world: strict }, async (visit) => {
  await visit.start("trusted");
  await visit.world.wait(11);
  const answer = visit.page.waitForResponse((response) => response.url().endsWith("/login"));
  await visit.signIn();
  await told(visit, await answer, 400);
  // the way back: the application learns that nothing came of it, and can start again
  await visit.page.getByRole("link", { name: /^Go to / }).click();
  await visit.refused("access_denied");
  await visit.start("trusted");
  await visit.signIn();
  await visit.greeted();
});

story("error: a browser without cookies", {}, async (visit) => {
  await visit.start("shop");
  await visit.context.clearCookies();
  const answer = visit.page.waitForResponse((response) => response.url().endsWith("/login"));
  await visit.signIn();
  await told(visit, await answer, 400);
  await visit.page.getByText(/cookie/).waitFor();
});
