// What all stories share: the browser, two providers with a relying party each, and how a story is told.
//
// A story is a test that gets a Visit: a person's own browser. It is told once with JavaScript and once
// without. Whatever the pages make the browser complain about, a violated policy above all, fails the story.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { chromium } from "playwright-core";
import { LOGO, PASSWORD, clientManifests, personManifest, sharedManifests } from "./manifests.mjs";
import { Provider } from "./provider.mjs";
import { RelyingParty } from "./relying_party.mjs";

// An installation, and whom it knows. People belong to one story each, so that none sees another's sessions.
class World {
  people = [];

  constructor(name, options = {}) {
    Object.assign(this, { name, options });
  }

  person(more) {
    assert.ok(!this.rp, "people are known before the first story is told: do not await at the top of a file of stories");
    const username = `person-${this.people.length + 1}`;
    this.people.push([username, more]);
    return { username, password: PASSWORD, subject: `subject-of-${username}` };
  }

  async begin() {
    if (this.people.length === 0) return; // no story needs it
    this.rp = await RelyingParty.start();
    const people = this.people.map(([username, more]) => personManifest(username, more));
    const manifests = [...sharedManifests, ...clientManifests(this.rp.origin), ...people];
    this.provider = await Provider.start(this.name, manifests, this.options);
    this.issuer = this.rp.issuer = this.provider.issuer;
  }

  // Time passes: the provider is started again so many minutes later, its sessions stay.
  async wait(minutes) {
    this.minutes = (this.minutes ?? 0) + minutes;
    await this.provider.later(`+${this.minutes}m`);
  }

  async end() {
    this.rp?.stop();
    await this.provider?.stop();
  }
}

// The usual one, and one whose people may have two sessions and whose clock stories move.
export const plain = new World("plain");
export const strict = new World("strict", {
  installation: { lifetimes: { sessionsPerUser: 2, atSessionLimit: "refuse" } },
  redis: process.env.STORE_URL,
});

let browser, begun;
async function begin() {
  const args = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];
  const launched = chromium.launch({ executablePath: "/usr/bin/chromium-headless-shell", args });
  const all = await Promise.allSettled([launched, plain.begin(), strict.begin()]);
  browser = all[0].value;
  for (const { reason } of all) if (reason) throw reason;
}
after(() => Promise.all([browser?.close(), plain.end(), strict.end()]));

const logo = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64"><rect width="64" height="64" rx="12" fill="#0a7"/><path d="M16 26h32l-4 22H20z" fill="#fff"/></svg>`;

// A person's own browser.
export class Visit {
  complaints = [];
  expected = []; // what a story makes the browser complain about on purpose

  static async begin(world, person, { javaScript = true, ...options } = {}) {
    const visit = Object.assign(new Visit(), { world, person, javaScript, issuer: world.issuer, rp: world.rp });
    visit.context = await browser.newContext({
      javaScriptEnabled: javaScript,
      locale: "en",
      viewport: { width: 1280, height: 800 },
      ...options,
    });
    visit.context.setDefaultTimeout(8_000);
    await visit.context.route(LOGO, (route) => route.fulfill({ contentType: "image/svg+xml", body: logo }));
    await visit.context.addInitScript(() => {
      document.addEventListener("securitypolicyviolation", (event) => {
        console.error(`policy violated: ${event.effectiveDirective} ${event.blockedURI} ${event.sample}`);
      });
    });
    visit.context.on("page", (page) => visit.#watch(page));
    visit.page = await visit.context.newPage();
    return visit;
  }

  #watch(page) {
    page.on("pageerror", (error) => this.complaints.push(`script: ${error}`));
    page.on("console", (message) => {
      if (!["error", "warning"].includes(message.type())) return;
      // a page that says no has a status that says so, too
      const { url } = message.location();
      if (/Failed to load resource: .* status of (4\d\d|503)/.test(message.text()) && url.startsWith(this.issuer)) return;
      this.complaints.push(`console: ${message.text()}`);
    });
    page.on("request", (request) => {
      const known = [this.issuer, this.rp.origin, LOGO, "data:", "about:", "chrome-error:"];
      if (!known.some((place) => request.url().startsWith(place))) this.complaints.push(`asked for ${request.url()}`);
    });
    page.on("response", async (response) => {
      if (!response.url().startsWith(this.issuer)) return;
      const caching = response.headers()["cache-control"];
      if (caching !== "no-store") this.complaints.push(`${response.url()} may be stored: ${caching}`);
    });
  }

  // Fails if the browser complained of anything but what the story expects.
  check() {
    const complaints = this.complaints.filter((one) => !this.expected.some((pattern) => pattern.test(one)));
    assert.deepEqual(complaints, []);
  }

  end() {
    return this.context.close();
  }

  // Opens an address with the relying party's login.
  start(clientId, parameters) {
    return this.page.goto(this.rp.start(clientId, parameters));
  }

  field(name) {
    return this.page.locator(`[name=${name}]`);
  }

  button(value) {
    return this.page.locator(`button[value=${value}]`);
  }

  heading(name) {
    return this.page.getByRole("heading", { level: 1, name });
  }

  // Answers the login form that is shown.
  async signIn({ username, password } = this.person) {
    await this.field("username").fill(username);
    await this.field("password").fill(password);
    await this.page.getByRole("button", { name: "Sign in" }).click();
  }

  // Answers the consent form that is shown.
  async allow() {
    await this.button("allow").click();
  }

  // Signs in at a client that asks no questions, and ends at the application.
  async signedIn(clientId = "trusted", parameters) {
    await this.start(clientId, parameters);
    await this.signIn();
    return this.greeted();
  }

  // The application greets the person; gives what it got.
  async greeted(person = this.person, page = this.page) {
    await page.getByRole("heading", { name: `Hello ${person.subject}` }).waitFor();
    return this.rp.answer(page);
  }

  // The application tells this error.
  async refused(error, page = this.page) {
    await page.getByRole("alert").filter({ hasText: error }).waitFor();
    return this.rp.answer(page);
  }

  // The text of the problem that a page tells at once.
  async problem(text) {
    const alert = this.page.getByRole("alert");
    await alert.filter({ hasText: text }).waitFor();
    return alert;
  }
}

const names = new Set();

// A story, told with and without JavaScript (`scripts`). It gets its Visit, and `t` for what is to be done after.
export function story(name, options, tell) {
  const { scripts = [true, false], world = plain, person: more, ...browserOptions } = options;
  assert.ok(!names.has(name), `two stories are called ${name}`);
  names.add(name);
  for (const javaScript of scripts) {
    const person = world.person(more);
    test(javaScript ? name : `${name} (no JavaScript)`, { timeout: 60_000 }, async (t) => {
      await (begun ??= begin()); // when all stories, and so all people, are known
      const visits = [];
      // another browser, of the same person if not said otherwise
      const another = async (whose = person, options = {}) => {
        const visit = await Visit.begin(world, whose, { javaScript, ...browserOptions, ...options });
        visits.push(visit);
        return visit;
      };
      try {
        await tell(await another(), { another, t });
        for (const visit of visits) visit.check();
      } catch (error) {
        for (const visit of visits) {
          t.diagnostic(`${visit.page.url()} ${JSON.stringify(visit.complaints)}`);
          const name = `${t.name}-${visits.indexOf(visit)}`.replaceAll(/[^a-z0-9]+/gi, "-");
          await visit.page.screenshot({ path: `${process.env.OIDC_SCREENSHOTS}/failed-${name}.png` }).catch(() => {});
        }
        throw error;
      } finally {
        for (const visit of visits) await visit.end();
      }
    });
  }
}
