// How answers travel: posted by a page, and silently in a frame.
import assert from "node:assert/strict";
import { story } from "./world.mjs";

story("form_post: the answer is posted, by itself with scripts and by a button without", {}, async (visit) => {
  await visit.start("trusted", { response_mode: "form_post" });
  await visit.signIn();
  if (!visit.javaScript) await visit.page.getByRole("button").click();
  const { by } = await visit.greeted();
  assert.equal(by, "POST");
  assert.equal(new URL(visit.page.url()).search, "", "nothing of the answer is in the address");
});

story("form_post: errors too", {}, async (visit) => {
  await visit.start("shop", { response_mode: "form_post" });
  await visit.signIn();
  await visit.button("deny").click();
  if (!visit.javaScript) await visit.page.getByRole("button").click();
  const { by } = await visit.refused("access_denied");
  assert.equal(by, "POST");
});

// The frame with the answer.
async function framed(visit, parameters) {
  await visit.page.goto(visit.rp.frame("trusted", parameters));
  const frame = visit.page.frameLocator("iframe");
  await frame.locator("main [data-state]").waitFor();
  return frame;
}

story("prompt=none in a frame: a session gives tokens, none gives login_required", {}, async (visit) => {
  await visit.refused("login_required", await framed(visit, { prompt: "none" }));
  await visit.signedIn();
  const { tokens } = await visit.greeted(visit.person, await framed(visit, { prompt: "none" }));
  assert.equal(tokens.claims().sub, visit.person.subject);
});

story("prompt=none: where consent is missing, nobody is asked", {}, async (visit) => {
  await visit.signedIn();
  await visit.start("shop", { prompt: "none" });
  await visit.refused("consent_required");
});

story("no page of ours is shown in a frame", {}, async (visit) => {
  visit.expected.push(/Refused to (display|frame)|frame-ancestors|ERR_BLOCKED_BY_RESPONSE|X-Frame-Options|Framing/);
  const blocked = visit.page.waitForEvent("requestfailed", (request) => request.url().startsWith(`${visit.issuer}/authorize`));
  await visit.page.goto(visit.rp.frame("trusted"), { waitUntil: "commit" });
  await blocked;
  assert.equal(await visit.page.frameLocator("iframe").locator("[name=password]").count(), 0);
});
