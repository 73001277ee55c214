// Node as an upstream: `node upstream.mjs PORT`. The routes are those of support_upstream_programs.py.
import { createHash } from "node:crypto";
import { createServer } from "node:http";
import { gzipSync } from "node:zlib";

const large = Buffer.from(Array.from({ length: 5_000_000 }, (_, place) => place % 256));
let connections = 0;

const routes = {
  connection: (request, response) => response.end(String(request.socket.number)),
  length: (request, response) => response.writeHead(200, { "content-length": large.length }).end(large),
  chunked: (request, response) => {
    for (let at = 0; at < large.length; at += 65536) response.write(large.subarray(at, at + 65536));
    response.end();
  },
  events: (request, response, wanted) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    let number = 0;
    const send = () => {
      response.write(`data: ${++number}\n\n`);
      if (number < wanted) setTimeout(send, 200);
      else response.end();
    };
    send();
  },
  status: (request, response, status) => response.writeHead(Number(status), { etag: '"1"' }).end(),
  gzip: (request, response) => {
    const body = gzipSync("many words, ".repeat(100));
    response.writeHead(200, { "content-encoding": "gzip", "content-length": body.length }).end(body);
  },
  upload: async (request, response) => {
    const digest = createHash("sha256");
    let size = 0;
    for await (const chunk of request) {
      digest.update(chunk);
      size += chunk.length;
    }
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ size, sha256: digest.digest("hex") }));
  },
  early: (request, response) => response.writeHead(401, { "content-length": 2 }).end("no"),
  cut: (request, response) => {
    response.writeHead(200, { "content-length": 1000 }).write("0123456789", () => request.socket.destroy());
  },
};

const server = createServer({ keepAliveTimeout: 60000 }, (request, response) => {
  const [, name, argument] = request.url.split("/");
  routes[name](request, response, argument);
});
server.on("connection", (socket) => (socket.number = ++connections));
server.listen(Number(process.argv[2]), "127.0.0.1");
