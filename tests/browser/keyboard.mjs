// Everything by keyboard: in the order of the page, and always visibly.
import assert from "node:assert/strict";
import { story } from "./world.mjs";

const lines = (element) => {
  const { outlineStyle, outlineWidth, outlineColor, boxShadow, borderColor, backgroundColor } = getComputedStyle(element);
  return [outlineStyle === "none" ? "" : [outlineStyle, outlineWidth, outlineColor].join(" "), boxShadow, borderColor, backgroundColor].join("; ");
};

// What can be reached, in the order of the page, as it looks without focus.
async function stops(page) {
  const all = await page.locator("a[href], button, input:not([type=hidden]), select, summary").all();
  return Promise.all(all.map(async (one) => ({ element: await one.elementHandle(), box: await one.boundingBox() })));
}

// A page with a field to begin with gives it the focus by itself, a moment after it is loaded.
const begun = (page, field) => page.waitForFunction((field) => document.activeElement?.name === field, field);

// Walks through the page by Tab from its beginning: every stop comes in order, from top to bottom, and shows that it is there.
async function walk(page, last) {
  // the beginning of the page is where Tab starts, wherever the focus was
  await page.mouse.click(1, 1);
  const expected = await stops(page);
  const bare = await Promise.all(expected.map(({ element }) => element.evaluate(lines)));
  let top = 0;
  for (const [index, { element, box }] of expected.entries()) {
    await page.keyboard.press("Tab");
    const name = await element.evaluate((one) => one.outerHTML);
    assert.ok(await element.evaluate((one) => one === document.activeElement), `Tab leads to ${name}`);
    assert.notEqual(await element.evaluate(lines), bare[index], `the focus is seen on ${name}`);
    assert.ok(box.y + box.height > top, `${name} does not come after what is below it`);
    top = box.y;
    if (last && (await element.evaluate((one, last) => one.matches(last), last))) return;
  }
}

story("keyboard: from the login to the consent and back to the application", {}, async (visit) => {
  const { page } = visit;
  await visit.start("shop");
  await begun(page, "username");
  await page.keyboard.type(visit.person.username);
  await page.keyboard.press("Tab");
  await page.keyboard.type("wrong");
  await page.keyboard.press("Enter");
  await visit.problem("wrong");
  await begun(page, "password");
  await walk(page);
  await visit.field("password").focus();
  await page.keyboard.type(visit.person.password);
  await page.keyboard.press("Enter");
  await visit.button("allow").waitFor();
  await walk(page);
  await walk(page, "[value=allow]");
  await page.keyboard.press("Enter");
  await visit.greeted();
});

story("keyboard: denying by the space bar", {}, async (visit) => {
  await visit.start("shop");
  await visit.signIn();
  await visit.button("deny").waitFor();
  await walk(visit.page, "[value=deny]");
  await visit.page.keyboard.press(" ");
  await visit.refused("access_denied");
});

story("keyboard: the account page", {}, async (visit) => {
  await visit.start("shop");
  await visit.signIn();
  await visit.allow();
  await visit.greeted();
  await visit.page.goto(`${visit.issuer}/account`);
  await walk(visit.page, "[name=session] ~ button");
  await visit.page.keyboard.press("Enter");
  await visit.field("password").waitFor();
});

story("keyboard: signing out", {}, async (visit) => {
  await visit.signedIn();
  await visit.page.goto(await visit.rp.signOut("trusted"));
  await walk(visit.page, "[value=sign_out]");
  await visit.page.keyboard.press("Enter");
  await visit.heading(/signed out/).waitFor();
});

for (const [what, emulated] of [["dark", { colorScheme: "dark" }], ["with forced colours", { forcedColors: "active" }]]) {
  story(`keyboard: the focus is seen ${what}`, emulated, async (visit) => {
    await visit.start("shop");
    await begun(visit.page, "username");
    await walk(visit.page);
    await visit.signIn();
    await visit.button("allow").waitFor();
    await walk(visit.page);
  });
}
