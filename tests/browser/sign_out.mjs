// Signing out by /end_session, and where that ends.
import assert from "node:assert/strict";
import { story } from "./world.mjs";

const signedOut = async (visit) => {
  await visit.start("trusted");
  await visit.field("password").waitFor();
};

story("sign-out: without a hint the person is asked, and stays or goes", {}, async (visit) => {
  await visit.signedIn();
  const ask = await visit.rp.signOut("trusted", { state: "kept" });
  await visit.page.goto(ask);
  await visit.page.getByText(visit.person.username).waitFor();
  await visit.button("stay").click();
  await visit.heading(/still signed in/).waitFor();
  await visit.start("trusted");
  await visit.greeted();

  await visit.page.goto(ask);
  await visit.button("sign_out").click();
  await visit.heading(/signed out/).waitFor();
  assert.ok(visit.page.url().startsWith(visit.issuer), "without a hint nobody is sent on");
  await signedOut(visit);
});

story("sign-out: with the ID token as a hint it happens at once and comes back to the application", {}, async (visit) => {
  const { tokens } = await visit.signedIn();
  await visit.page.goto(await visit.rp.signOut("trusted", { id_token_hint: tokens.id_token, state: "kept" }));
  await visit.heading("Good bye").waitFor();
  assert.equal(new URL(visit.page.url()).searchParams.get("state"), "kept");
  await signedOut(visit);
});

story("sign-out: with an address that is not listed it ends on a page of ours, with a way back", {}, async (visit) => {
  await visit.start("shop");
  await visit.signIn();
  await visit.allow();
  const { tokens } = await visit.greeted();
  const elsewhere = { id_token_hint: tokens.id_token, post_logout_redirect_uri: "https://evil.example.com/" };
  await visit.page.goto(await visit.rp.signOut("shop", elsewhere));
  await visit.heading(/signed out/).waitFor();
  assert.equal(await visit.page.getByRole("link", { name: /Corner Shop/ }).getAttribute("href"), "https://shop.example.com/");
});

story("sign-out: without a session there is nothing to ask", {}, async (visit) => {
  await visit.page.goto(await visit.rp.signOut("shop"));
  await visit.heading(/signed out/).waitFor();
});

story("sign-out: the session of another browser goes on", {}, async (visit, { another }) => {
  const elsewhere = await another();
  await elsewhere.signedIn();
  const { tokens } = await visit.signedIn();
  await visit.page.goto(await visit.rp.signOut("trusted", { id_token_hint: tokens.id_token }));
  await visit.heading("Good bye").waitFor();
  await elsewhere.start("trusted");
  await elsewhere.greeted();
});
