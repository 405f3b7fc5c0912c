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

  // Opens an authorization URL and goes on until the browser is sent back to `redirectUri`.
  async authorize(url, redirectUri) {
    let response = await this.fetch(url);
    for (let step = 0; step < 8; step++) {
      const location = response.headers.get("location");
      if (location) {
        const target = new URL(location, response.url);
        if (target.href.startsWith(redirectUri)) return target;
        response = await this.fetch(target);
        continue;
      }
      const page = await response.text();
      const form = /<form[^>]*method\s*=\s*["']?post[^>]*>[\s\S]*?<\/form>/i.exec(page)?.[0];
      if (!form) throw new Error(`no way on from ${response.url} (${response.status}): ${page.slice(0, 500)}`);
      const fields = new URLSearchParams();
      for (const [tag] of form.matchAll(/<input[^>]*>/gi)) {
        if (/\stype\s*=\s*["']?(submit|button)/i.test(tag) || !attribute(tag, "name")) continue;
        if (/\stype\s*=\s*["']?checkbox/i.test(tag) && !/\schecked/i.test(tag)) continue;
        fields.append(attribute(tag, "name"), attribute(tag, "value") ?? "");
      }
      if (fields.has("password")) {
        if (this.asked) throw new Error(`the credentials were refused: ${page.slice(0, 500)}`);
        this.asked = true;
        fields.set("username", this.username);
        fields.set("password", this.password);
      } else {
        const yes = [...form.matchAll(/<button[^>]*>/gi)].find(([tag]) => attribute(tag, "value") === "allow");
        if (yes) fields.append(attribute(yes[0], "name"), "allow");
      }
      const action = new URL(attribute(form, "action") || response.url, response.url);
      response = await this.fetch(action, {
        method: "POST",
        body: fields,
        headers: { origin: action.origin, "sec-fetch-site": "same-origin" },
      });
    }
    throw new Error("lost on the way to the redirect URI");
  }
}
