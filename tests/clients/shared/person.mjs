// A person with a browser: cookies, redirects, and the forms of the pages.

const unescape = (text) =>
  text.replace(/&(#x[0-9a-f]+|#\d+|amp|lt|gt|quot|apos);/gi, (whole, name) => {
    const named = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };
    if (named[name]) return named[name];
    return String.fromCodePoint(/^#x/i.test(name) ? parseInt(name.slice(2), 16) : Number(name.slice(1)));
  });

const attribute = (tag, name) => {
  const match = new RegExp(`\\s${name}\\s*=\\s*("([^"]*)"|'([^']*)'|([^\\s>]+))`, "i").exec(tag);
  return match && unescape(match[2] ?? match[3] ?? match[4]);
};

export class Person {
  cookies = new Map();

  constructor(username, password) {
    Object.assign(this, { username, password });
  }

  async fetch(url, init = {}) {
    const cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join("; ");
    const headers = { ...init.headers, ...(cookie && { cookie }) };
    const response = await fetch(url, { ...init, headers, redirect: "manual" });
    for (const line of response.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(line);
      if (/max-age=0/i.test(line)) this.cookies.delete(name);
      else this.cookies.set(name, value);
    }
    return response;
  }

  // Opens an authorization URL and goes on until the browser is sent back to `redirectUri`: to that URL, or by
  // that request if the answer is a form.
  async authorize(url, redirectUri) {
    let asked = false;
    const end = await this.walk(url, redirectUri, (fields, buttons) => {
      if (!fields.has("password")) return buttons.get("allow");
      if (asked) throw new Error("the credentials were refused");
      asked = true;
      fields.set("username", this.username);
      fields.set("password", this.password);
    });
    if (end instanceof URL || end instanceof Request) return end;
    throw new Error(`no way on: ${end.slice(0, 500)}`);
  }

  // Opens an address that signs out, and agrees if asked: where the browser is sent back to, or the last page.
  signOut(url, backTo) {
    return this.walk(url, backTo, (fields, buttons) => buttons.get("sign_out"));
  }

  // Follows redirects and sends forms, filled by `fill` (which may name a button), until the browser is sent
  // to an address that begins with `target` (gives that URL, or the request that posts a form there) or sees a
  // page without a form (gives its text).
  async walk(url, target, fill) {
    let response = await this.fetch(url);
    for (let step = 0; step < 10; step++) {
      const location = response.headers.get("location");
      if (location) {
        const next = new URL(location, response.url);
        if (target && next.href.startsWith(target)) return next;
        response = await this.fetch(next);
        continue;
      }
      const page = await response.text();
      const form = /<form[^>]*method\s*=\s*["']?post[^>]*>[\s\S]*?<\/form>/i.exec(page)?.[0];
      if (!form) return page;
      const fields = new URLSearchParams();
      for (const [tag] of form.matchAll(/<input[^>]*>/gi)) {
        if (/\stype\s*=\s*["']?(submit|button)/i.test(tag) || !attribute(tag, "name")) continue;
        if (/\stype\s*=\s*["']?checkbox/i.test(tag) && !/\schecked/i.test(tag)) continue;
        fields.append(attribute(tag, "name"), attribute(tag, "value") ?? "");
      }
      const buttons = new Map([...form.matchAll(/<button[^>]*>/gi)].map(([tag]) => [attribute(tag, "value"), attribute(tag, "name")]));
      const pressed = fill(fields, { get: (value) => buttons.has(value) && [buttons.get(value), value] });
      if (pressed) fields.append(...pressed);
      const action = new URL(attribute(form, "action") || response.url, response.url);
      if (target && action.href.startsWith(target)) return new Request(action, { method: "POST", body: fields });
      response = await this.fetch(action, {
        method: "POST",
        body: fields,
        headers: { origin: action.origin, "sec-fetch-site": "same-origin" },
      });
    }
    throw new Error("lost on the way");
  }
}
