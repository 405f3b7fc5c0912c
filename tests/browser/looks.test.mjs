// How every page looks: a screenshot at two widths, light and dark, and what can be checked of it.
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { pages } from "./pages.mjs";
import { story } from "./world.mjs";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const folder = process.env.OIDC_SCREENSHOTS;
const sizes = ["360-light", "360-dark", "1280-light", "1280-dark"];

// All of them on one page, for the eye.
const figures = (name) => sizes.map((size) => `<a href="${name}-${size}.png"><img src="${name}-${size}.png" alt="${size}"></a>`);
writeFileSync(
  `${folder}/index.html`,
  `<!doctype html><html lang="en"><meta charset="utf-8"><title>Pages</title>
<style>body { background: #888; font-family: sans-serif } section { display: flex; gap: 8px; align-items: start } img { height: 300px }</style>
${Object.keys(pages).map((name) => `<h2>${name}</h2><section>${figures(name).join("")}</section>`).join("\n")}</html>\n`,
);

// What the rules of axe find, whatever their weight; `rules`: only these.
async function inaccessible(page, rules) {
  if (!(await page.evaluate(() => Boolean(window.axe)))) await page.evaluate(axe);
  const options = { resultTypes: ["violations"], ...(rules && { runOnly: rules }) };
  const { violations } = await page.evaluate((options) => window.axe.run(document, options), options);
  return violations.map(({ id, impact, help, nodes }) => `${id} (${impact}): ${help}: ${nodes.map(({ html }) => html)}`);
}

// What is wider than its place.
async function tooWide(page) {
  return page.evaluate(() => {
    const root = document.documentElement;
    const wide = [...document.querySelectorAll("main, main *")].filter((one) => one.clientWidth && one.scrollWidth > one.clientWidth + 1);
    const told = wide.map((one) => `is cut off: ${one.outerHTML.slice(0, 200)}`);
    if (root.scrollWidth > root.clientWidth) told.push(`${root.scrollWidth} px in a window of ${root.clientWidth} px`);
    return told;
  });
}

const moving = (page) =>
  page.evaluate(() =>
    [...document.querySelectorAll("*")]
      .filter((one) => getComputedStyle(one).transitionDuration !== "0s" || getComputedStyle(one).animationName !== "none")
      .map((one) => `moves: ${one.outerHTML}`),
  );

// With the system's colours only lines tell a button or a field from text.
const bare = (page) =>
  page.evaluate(() =>
    [...document.querySelectorAll("button, input:not([type=hidden])")]
      .filter((one) => getComputedStyle(one).borderTopStyle === "none" || getComputedStyle(one).borderTopWidth === "0px")
      .map((one) => `has no border: ${one.outerHTML}`),
  );

for (const [name, { way, world }] of Object.entries(pages)) {
  story(`looks: ${name}`, { world, scripts: [true] }, async (visit, more) => {
    await way(visit, more);
    const { page } = visit;
    const problems = [];
    const find = async (when, finder) => problems.push(...(await finder(page)).map((problem) => `${when}: ${problem}`));

    for (const size of sizes) {
      const [width, colorScheme] = size.split("-");
      await page.setViewportSize({ width: Number(width), height: 800 });
      await page.emulateMedia({ colorScheme });
      await page.screenshot({ path: `${folder}/${name}-${size}.png`, fullPage: true, caret: "initial" });
      // what is dark differs in its colours alone
      await find(size, (page) => inaccessible(page, colorScheme === "dark" && ["color-contrast", "link-in-text-block"]));
      await find(size, tooWide);
    }

    // a window of 1280 px at 200 % and at 400 %
    for (const width of [640, 320]) {
      await page.setViewportSize({ width, height: 400 });
      await find(`zoomed to ${width} px`, tooWide);
    }
    await page.setViewportSize({ width: 360, height: 800 });
    await page.evaluate(() => (document.documentElement.style.fontSize = "200%"));
    await find("text of twice the size", tooWide);
    await page.evaluate(() => (document.documentElement.style.fontSize = ""));

    await page.emulateMedia({ reducedMotion: "reduce" });
    await find("reduced motion", moving);
    await page.emulateMedia({ reducedMotion: null, forcedColors: "active" });
    await find("forced colours", bare);

    assert.deepEqual(problems, []);
  });
}
