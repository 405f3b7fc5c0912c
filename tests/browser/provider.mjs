// The program under test: standalone, with folders of its own, on a free port.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { createInterface } from "node:readline";

export class Provider {
  // `installation`: what the installation says otherwise; `redis`: where sessions are kept instead of memory.
  static async start(name, manifests, { installation = {}, redis } = {}) {
    const folder = `${process.cwd()}/${name}-${process.pid}`;
    await mkdir(`${folder}/manifests`, { recursive: true });
    // JSON is YAML
    await writeFile(`${folder}/manifests/all.yaml`, manifests.map((one) => JSON.stringify(one)).join("\n---\n"));
    await writeFile(`${folder}/installation.yaml`, JSON.stringify(installation));
    const provider = Object.assign(new Provider(), { folder, redis });
    await provider.#run("localhost:0");
    return provider;
  }

  // Starts it once more at a later time, like `+6m`; what is kept in Redis stays.
  async later(offset) {
    await this.stop();
    await this.#run(new URL(this.issuer).host, { LD_PRELOAD: process.env.FAKETIME, FAKETIME: offset, FAKETIME_DONT_FAKE_MONOTONIC: "1" });
  }

  async #run(listen, environment = {}) {
    const { folder, redis } = this;
    const flags = { listen, manifests: `${folder}/manifests`, state: `${folder}/state`, installation: `${folder}/installation.yaml`, ...(redis && { redis }) };
    const line = Object.entries(flags).flatMap(([name, value]) => [`--${name}`, value]);
    // it ends with this process, however that ends
    this.child = spawn("setpriv", ["--pdeathsig", "KILL", process.env.OIDC_PROVIDER_BIN, "dev", ...line], {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, ...environment },
    });
    this.ended = once(this.child, "exit");
    this.child.stderr.pipe(createWriteStream(`${folder}/log`, { flags: "a" }));
    for await (const line of createInterface(this.child.stdout)) {
      this.issuer = /serves (http:\S+)/.exec(line)?.[1];
      if (this.issuer) break;
    }
    this.child.stdout.resume();
    if (!this.issuer) throw new Error(`the provider did not start: see ${folder}/log`);
  }

  async stop() {
    this.child.kill("SIGKILL");
    await this.ended;
  }
}
