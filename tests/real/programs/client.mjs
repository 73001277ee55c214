// Node as a client: `node client.mjs fetch|http TASK URL HEADERS`. Prints what it saw as JSON.
// URL is the gateway's; HEADERS, a JSON object, has what a request must have. The tasks are those of test_clients_node.py.
import { createHash } from "node:crypto";
import { Agent, request } from "node:http";
import { Readable } from "node:stream";

const [, , library, task, url, given] = process.argv;
const headers = JSON.parse(given);
const large = Buffer.from(Array.from({ length: 5_000_000 }, (_, place) => place % 256));
const agent = new Agent({ keepAlive: true, maxSockets: 1 });

function pieces() {
  let at = 0;
  return new Readable({
    read() {
      this.push(at < large.length ? large.subarray(at, (at += 100_000)) : null);
    },
  });
}

// Each library's answer in one form: { status, body: an asynchronous iterable }.
const libraries = {
  async fetch(path, { method = "GET", body, extra = {} } = {}) {
    const answer = await fetch(url + path, { method, body, duplex: "half", headers: { ...headers, ...extra } });
    return { status: answer.status, body: answer.body ?? [] };
  },
  http(path, { method = "GET", body, extra = {} } = {}) {
    return new Promise((resolve, reject) => {
      const length = Buffer.isBuffer(body) ? { "content-length": body.length } : {};
      const asking = request(url + path, { method, agent, headers: { ...headers, ...length, ...extra } });
      asking.on("response", (answer) => resolve({ status: answer.statusCode, body: answer }));
      asking.on("error", reject);
      if (extra.expect) asking.on("continue", () => asking.end(body)).flushHeaders();
      else if (body instanceof Readable) body.pipe(asking);
      else asking.end(body);
    });
  },
};
const ask = libraries[library];

async function read(answer) {
  const digest = createHash("sha256");
  const chunks = [];
  for await (const chunk of answer.body) {
    digest.update(chunk);
    chunks.push(Buffer.from(chunk));
  }
  const body = Buffer.concat(chunks);
  return { status: answer.status, size: body.length, sha256: digest.digest("hex"), text: body.toString().slice(0, 300) };
}

const tasks = {
  async get(path) {
    return read(await ask(path));
  },
  async kept() {
    const names = [];
    for (let number = 0; number < 5; number++) names.push(await read(await ask("/status/204")));
    return names;
  },
  async length() {
    return read(await ask("/upload", { method: "POST", body: large }));
  },
  async chunked() {
    return read(await ask("/upload", { method: "POST", body: library === "fetch" ? Readable.toWeb(pieces()) : pieces() }));
  },
  async expect() {
    return read(await ask("/upload", { method: "POST", body: large, extra: { expect: "100-continue" } }));
  },
  async refused() {
    return read(await ask("/upload", { method: "POST", body: large, extra: { authorization: "Bearer a.b.c" } }));
  },
  async leave() {
    const answer = await ask("/events/100");
    const first = await answer.body[Symbol.asyncIterator]().next();
    return { status: answer.status, text: Buffer.from(first.value).toString() }; // and the process ends
  },
};

const [name, path] = task.split(":");
const saw = await tasks[name](path);
console.log(JSON.stringify(saw));
process.exit(0);
