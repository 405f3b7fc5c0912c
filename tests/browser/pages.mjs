// Every page, and how a person gets to it: by name, the ways that leave it open in `visit.page`.
import { strict } from "./world.mjs";

const account = (visit) => visit.page.goto(`${visit.issuer}/account`);
const open = (visit, path) => visit.page.goto(`${visit.issuer}${path}`);

// The login form of a client whose request is answered only after so many minutes.
async function late(visit, minutes) {
  await visit.start("shop");
  await visit.world.wait(minutes);
  await visit.signIn();
}

export const pages = {
  login: { way: (visit) => visit.start("shop") },
  "login-problem": {
    way: async (visit) => {
      await visit.start("shop");
      await visit.signIn({ ...visit.person, password: "wrong" });
      await visit.problem("wrong");
    },
  },
  "login-long-name": { way: (visit) => visit.start("long") },
  consent: {
    way: async (visit) => {
      await visit.start("shop", { scope: "openid profile email offline_access", prompt: "consent" });
      await visit.signIn();
      await visit.button("allow").waitFor();
    },
  },
  "consent-long-name": {
    way: async (visit) => {
      const scopes = ["openid", "profile", "email", "address", "phone", "groups", `orders.${"read-".repeat(12)}all`];
      await visit.start("long", { scope: scopes.join(" ") });
      await visit.signIn();
      await visit.button("allow").waitFor();
    },
  },
  "account-login": { way: account },
  account: {
    way: async (visit, { another }) => {
      const other = await another(visit.person, { userAgent: "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0" });
      await other.signedIn();
      for (const client of ["shop", "long"]) {
        await visit.start(client);
        if (client === "shop") await visit.signIn();
        await visit.allow();
        await visit.greeted();
      }
      await account(visit);
    },
  },
  "account-notice": {
    way: async (visit, { another }) => {
      await (await another()).signedIn();
      await visit.signedIn();
      await account(visit);
      await visit.page.getByRole("button", { name: /^Sign out that one/ }).click();
      await visit.page.getByRole("status").waitFor();
    },
  },
  "confirm-problem": {
    world: strict,
    way: async (visit) => {
      await visit.signedIn();
      await visit.world.wait(6);
      await account(visit);
      await visit.button("none").click();
      await visit.field("password").fill("wrong");
      await visit.field("password").press("Enter");
      await visit.problem("wrong");
    },
  },
  "session-limit": {
    world: strict,
    way: async (visit, { another }) => {
      for (let other = 0; other < 2; other++) await (await another()).signedIn();
      await visit.start("shop");
      await visit.signIn();
      await visit.button("end_oldest").waitFor();
    },
  },
  "sign-out": {
    way: async (visit) => {
      await visit.signedIn();
      await visit.page.goto(await visit.rp.signOut("shop"));
    },
  },
  "signed-out": {
    way: async (visit) => {
      await visit.signedIn();
      await visit.page.goto(await visit.rp.signOut("shop", { post_logout_redirect_uri: "" }));
      await visit.button("sign_out").click();
      await visit.heading(/signed out/).waitFor();
    },
  },
  "still-signed-in": {
    way: async (visit) => {
      await visit.signedIn();
      await visit.page.goto(await visit.rp.signOut("shop"));
      await visit.button("stay").click();
      await visit.heading(/still signed in/).waitFor();
    },
  },
  "error-client": { way: (visit) => open(visit, "/authorize?client_id=nobody&response_type=code") },
  "error-redirect-uri": {
    way: (visit) => open(visit, "/authorize?client_id=shop&response_type=code&redirect_uri=https://example.com/"),
  },
  "error-expired": { world: strict, way: (visit) => late(visit, 11) },
  "error-nothing-here": { way: (visit) => open(visit, "/nothing") },
  "form-post": {
    // its script leaves it at once, unless the application answers with nothing to show
    way: async (visit) => {
      await visit.context.route(`${visit.rp.origin}/callback/**`, (route) => route.fulfill({ status: 204 }));
      await visit.start("trusted", { response_mode: "form_post" });
      await visit.signIn();
      await visit.heading(/Back/).waitFor();
    },
  },
  hello: { way: (visit) => open(visit, "/") },
};
