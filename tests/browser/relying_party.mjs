// A small application: a real server that signs people in with the npm package openid-client, by code and PKCE.
// Each login ends on a page that greets the person of the ID token, or tells the error.
import { createServer } from "node:http";
import * as client from "openid-client";
import { SECRET } from "./manifests.mjs";

const escape = (text) => text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);
const html = (title, body) =>
  `<!doctype html><html lang="en"><meta charset="utf-8"><title>${title}</title><link rel="icon" href="data:,"><main>${body}</main></html>`;

export class RelyingParty {
  #started = new Map(); // state → what was asked
  #answers = new Map(); // state → what came of it
  #configs = new Map();

  static async start() {
    const rp = new RelyingParty();
    rp.server = createServer((request, response) => {
      rp.#serve(request, response).catch((error) => response.writeHead(500).end(String(error)));
    });
    await new Promise((ready) => rp.server.listen(0, "localhost", ready));
    rp.origin = `http://localhost:${rp.server.address().port}`;
    return rp;
  }

  stop() {
    this.server.close();
    this.server.closeAllConnections();
  }

  // Where a browser begins to sign in: `parameters` are added to the authorization request.
  start(clientId, parameters = {}) {
    return `${this.origin}/start/${clientId}?${new URLSearchParams(parameters)}`;
  }

  // A page with the same in a frame.
  frame(clientId, parameters = {}) {
    return `${this.origin}/frame/${clientId}?${new URLSearchParams(parameters)}`;
  }

  // What came of the login whose page is shown: `{tokens}` or `{error}`.
  async answer(frame) {
    return this.#answers.get(await frame.locator("main [data-state]").getAttribute("data-state"));
  }

  async config(clientId) {
    if (!this.#configs.has(clientId)) {
      const options = { execute: [client.allowInsecureRequests, client.enableNonRepudiationChecks] };
      this.#configs.set(clientId, client.discovery(new URL(this.issuer), clientId, SECRET, undefined, options));
    }
    return this.#configs.get(clientId);
  }

  // The address of RP-initiated logout.
  async signOut(clientId, parameters = {}) {
    const back = { post_logout_redirect_uri: `${this.origin}/signed-out/${clientId}` };
    return client.buildEndSessionUrl(await this.config(clientId), { ...back, ...parameters }).href;
  }

  async #serve(request, response) {
    const url = new URL(request.url, this.origin);
    const [, action, name] = url.pathname.split("/");
    response.setHeader("content-type", "text/html; charset=utf-8");
    switch (action) {
      case "start":
        return response.writeHead(303, { location: await this.#authorize(name, url.searchParams) }).end();
      case "frame":
        return response.end(html("Frame", `<iframe title="renewal" src="/start/${name}${escape(url.search)}"></iframe>`));
      case "callback":
        return response.end(await this.#callback(name, url, request));
      case "signed-out":
        return response.end(html("Signed out", `<h1>Good bye</h1><p>${escape(url.search)}</p>`));
      default:
        return response.writeHead(404).end(html("Nothing", "<h1>Nothing</h1>"));
    }
  }

  async #authorize(clientId, more) {
    const verifier = client.randomPKCECodeVerifier();
    const [state, nonce] = [client.randomState(), client.randomNonce()];
    this.#started.set(state, { pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce, idTokenExpected: true });
    return client.buildAuthorizationUrl(await this.config(clientId), {
      redirect_uri: `${this.origin}/callback/${clientId}`,
      scope: "openid profile email",
      state,
      nonce,
      code_challenge: await client.calculatePKCECodeChallenge(verifier),
      code_challenge_method: "S256",
      ...Object.fromEntries(more),
    }).href;
  }

  async #callback(clientId, url, request) {
    const body = [];
    for await (const part of request) body.push(part);
    const posted = request.method === "POST" && Buffer.concat(body).toString();
    const state = (posted ? new URLSearchParams(posted) : url.searchParams).get("state");
    const checks = this.#started.get(state);
    this.#started.delete(state);
    if (!checks) return html("Unknown", "<h1 role=alert>A login that nobody began</h1>");
    const answer = posted
      ? new Request(url, { method: "POST", body: posted, headers: { "content-type": request.headers["content-type"] } })
      : url;
    const mark = `data-state="${escape(state)}"`;
    try {
      const tokens = await client.authorizationCodeGrant(await this.config(clientId), answer, checks);
      this.#answers.set(state, { tokens, by: request.method });
      return html("Application", `<h1 ${mark}>Hello ${escape(tokens.claims().sub)}</h1>`);
    } catch (error) {
      this.#answers.set(state, { error, by: request.method });
      return html("Application", `<h1 role="alert" ${mark}>${escape(error.error ?? String(error))}</h1>`);
    }
  }
}
