import assert from 'node:assert/strict';
import { fastify } from 'fastify';
import { Readable } from 'node:stream';
import { describe, it } from 'mocha';
import { resolveLimits } from '../../src/relay/limits.ts';
import { addRequestBodies } from '../../src/relay/request-bodies.ts';

describe('relay: the body of a request', () => {
  it('holds nothing any more when its handler has answered, though nobody reads the answer', async () => {
    await using server = fastify();
    const limits = { ...resolveLimits(), maxPendingBytes: 1_000, maxBodyBytes: 1_000 };
    addRequestBodies(server, { limits, charge: () => undefined, refused: () => undefined });
    const answers: Readable[] = [];
    server.post('/', (request, reply) => {
      assert.equal((request.body as Buffer).length, 900);
      const answer = new Readable({ read: () => undefined });
      answer.push('its beginning');
      answers.push(answer);
      return reply.send(answer);
    });
    const url = await server.listen({ port: 0, host: '127.0.0.1' });
    const post = () =>
      fetch(url, {
        method: 'POST',
        headers: { 'content-type': 'application/octet-stream' },
        body: new Uint8Array(900),
      });
    const [first, second] = [await post(), await post()];
    assert.deepEqual([first.status, second.status], [200, 200]);
    for (const answer of answers) answer.push(null);
    await Promise.all([first.text(), second.text()]);
  });
});
