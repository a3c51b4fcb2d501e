import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, it } from 'mocha';
import { pino } from 'pino';
import { toHex } from '../../src/codec/index.ts';
import { EndpointHealth } from '../../src/relay/endpoint-health.ts';
import { attemptForward, type AttemptParts } from '../../src/relay/forward-attempt.ts';
import { ResolvedNames } from '../../src/relay/resolved-names.ts';
import type { HttpAnswer } from '../../src/relay/transport.ts';
import { bob } from './support.ts';

const endpoint = 'http://b.example/base';
const mail = { cursor: 1n, messageId: toHex(new Uint8Array(32)), bytes: new Uint8Array(8), storedAt: 0 };
const answer = (status: number, said: unknown): HttpAnswer => ({
  status,
  body: new TextEncoder().encode(JSON.stringify(said)),
});

describe('relay: one attempt to hand a message on', () => {
  /** `answers`: what stands at the endpoint. */
  const make = async (answers: (signal: AbortSignal) => HttpAnswer | Promise<HttpAnswer>, attemptMs = 10_000) => {
    const posted: string[] = [];
    const names = new ResolvedNames((_, callback) => {
      callback(
        null,
        ['198.41.0.4', '198.41.0.5'].map((address) => ({ address, family: 4 })),
      );
    });
    await names.learn(endpoint);
    const health = new EndpointHealth();
    const parts: AttemptParts = {
      transport: {
        post: async (url, _, signal) => {
          posted.push(url);
          return answers(signal);
        },
        connect: () => assert.fail('it opens no WebSocket'),
        close: () => Promise.resolve(),
      },
      ...{ names, health, attemptMs },
      logger: pino({ enabled: false }),
    };
    const known = () => [health.isDoubtful(endpoint), names.networkOf(endpoint)];
    return { parts, posted, known };
  };
  const neverStopped = new AbortController().signal;
  const untilEnded = async (signal: AbortSignal): Promise<never> => {
    if (!signal.aborted) await once(signal, 'abort');
    throw signal.reason as Error;
  };

  it('is one request to the relay at the endpoint, which has the message when it says so by its id', async () => {
    const { parts, posted, known } = await make(() => answer(202, { messageId: mail.messageId, status: 'stored' }));
    assert.equal(await attemptForward(endpoint, bob.identity, mail, parts, neverStopped), 'forwarded');
    assert.deepEqual(posted, ['http://b.example/base/v1/forward']);
    assert.deepEqual(known(), [false, '198.41.0.4']);
  });

  it('that fails makes the endpoint doubtful, and its name stands for the next of its addresses', async () => {
    const { parts, known } = await make(() => answer(200, 'a page'));
    assert.equal(await attemptForward(endpoint, bob.identity, mail, parts, neverStopped), 'failed');
    assert.deepEqual(known(), [true, '198.41.0.5']);
  });

  it('fails when its time is over', async () => {
    const { parts, known } = await make(untilEnded, 1);
    assert.equal(await attemptForward(endpoint, bob.identity, mail, parts, neverStopped), 'failed');
    assert.deepEqual(known(), [true, '198.41.0.5']);
  });

  it('that the relay refuses says nothing against the endpoint', async () => {
    const { parts, known } = await make(() => answer(400, { code: 'signer-mismatch', status: 400 }));
    assert.equal(await attemptForward(endpoint, bob.identity, mail, parts, neverStopped), 'refused');
    assert.deepEqual(known(), [false, '198.41.0.4']);
  });

  it('that is given up here says nothing against the endpoint', async () => {
    const stopped = new AbortController();
    const { parts, known } = await make((signal) => {
      stopped.abort();
      return untilEnded(signal);
    });
    assert.equal(await attemptForward(endpoint, bob.identity, mail, parts, stopped.signal), 'failed');
    assert.deepEqual(known(), [false, '198.41.0.4']);
  });

  it('fails, and asks nobody, where the endpoint may not be followed', async () => {
    const { parts, posted } = await make(() => assert.fail('it was asked'));
    assert.equal(await attemptForward('http://127.0.0.1', bob.identity, mail, parts, neverStopped), 'failed');
    assert.deepEqual(posted, []);
  });
});
