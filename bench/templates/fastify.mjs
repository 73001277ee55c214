// @fastify/http-proxy: plain, or with @fastify/jwt in front of it (verified tokens cached) where a key is given.
import { readFileSync } from 'node:fs';
import Fastify from 'fastify';
import proxy from '@fastify/http-proxy';
import jwt from '@fastify/jwt';

const [port, upstream, publicKey] = process.argv.slice(2);
const app = Fastify({ logger: false });
const options = { upstream };
if (publicKey) {
    app.register(jwt, {
        secret: { public: readFileSync(publicKey, 'utf8') },
        verify: { algorithms: ['ES256'], cache: 4096 },
    });
    options.preHandler = (request) => request.jwtVerify();
}
app.register(proxy, options);
await app.listen({ port: Number(port), host: '127.0.0.1' });
