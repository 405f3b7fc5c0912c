// Consent: what is asked, what comes of the answer, when it is asked again.
import assert from "node:assert/strict";
import { story } from "./world.mjs";

story("consent: the page tells who asks for what, and allowing ends in tokens", {}, async (visit) => {
  await visit.start("shop", { scope: "openid email" });
  await visit.signIn();
  await visit.heading(/Corner Shop/).waitFor();
  const { page } = visit;
  assert.equal(await page.locator("main ul li").count(), 2);
  await page.getByText(visit.person.username).waitFor();
  const logo = page.locator("main img[src]");
  await page.waitForFunction((logo) => logo.complete && logo.naturalWidth > 0, await logo.elementHandle());
  for (const [address, name] of [["privacy", /policy/i], ["terms", /terms/i]]) {
    const link = page.getByRole("link", { name });
    assert.equal(await link.getAttribute("href"), `https://shop.example.com/${address}`);
    assert.match(await link.getAttribute("rel"), /noopener/);
  }
  await visit.allow();
  const { tokens } = await visit.greeted();
  assert.deepEqual((tokens.scope ?? "openid email").split(" ").sort(), ["email", "openid"]);
});

story("consent: denying ends at the application with access_denied, and it must ask again", {}, async (visit) => {
  await visit.start("shop");
  await visit.signIn();
  await visit.button("deny").click();
  await visit.refused("access_denied");
  await visit.start("shop");
  await visit.button("allow").waitFor();
});

story("consent: it is remembered, in another browser too, until the application wants more", {}, async (visit, { another }) => {
  await visit.start("shop", { scope: "openid" });
  await visit.signIn();
  await visit.allow();
  await visit.greeted();
  await visit.start("shop", { scope: "openid" });
  await visit.greeted();

  const elsewhere = await another();
  await elsewhere.start("shop", { scope: "openid" });
  await elsewhere.signIn();
  await elsewhere.greeted();

  await visit.start("shop", { scope: "openid email" });
  await visit.button("allow").waitFor();
  await visit.page.getByText(/e-mail/).waitFor();
  await visit.allow();
  await visit.greeted();
});

story("consent: a client that must ask asks each time", {}, async (visit) => {
  await visit.start("careful");
  await visit.signIn();
  for (let time = 0; time < 2; time++) {
    await visit.allow();
    await visit.greeted();
    await visit.start("careful");
  }
});

story("consent: a name is text, whatever it holds", {}, async (visit) => {
  await visit.start("long");
  await visit.page.getByText("<b>Internationale</b>").waitFor();
  await visit.signIn();
  await visit.button("allow").waitFor();
  assert.match(await visit.heading(/Donau/).textContent(), /& Söhne <b>Internationale<\/b>/);
  assert.equal(await visit.page.locator("main b").count(), 0);
});

story("consent: a reload asks the same again", {}, async (visit) => {
  await visit.start("shop");
  await visit.signIn();
  await visit.button("allow").waitFor();
  await visit.start("shop");
  await visit.button("allow").waitFor();
  await visit.page.reload();
  await visit.allow();
  await visit.greeted();
});
