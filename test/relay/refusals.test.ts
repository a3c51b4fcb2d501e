import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'mocha';
import { RelayError, type ErrorCode } from '../../src/errors/index.ts';
import type { LocalEntity, RelayOptions } from '../../src/relay/index.ts';
import { RawSocket } from './raw-socket.ts';
import { alice, bob, Cleanup, message } from './support.ts';

describe('relay: what is refused', () => {
  const cleanup = new Cleanup();
  afterEach(() => cleanup.run());

  const octets = { 'content-type': 'application/octet-stream' };
  const refusal = async (asked: Promise<Response>): Promise<string> => {
    const answer = await asked;
    assert.match(answer.headers.get('content-type') ?? '', /^application\/problem\+json(;|$)/);
    const problem = (await answer.json()) as Readonly<Record<string, unknown>>;
    assert.equal(problem['status'], answer.status);
    assert.equal(problem['type'], `urn:khala-relay:error:${String(problem['code'])}`);
    assert.ok(String(problem['detail']).length > 10 && String(problem['remedy']).length > 10);
    return `${answer.status} ${String(problem['code'])}`;
  };
  const post = async (options: Partial<RelayOptions>, bytes = message(alice, bob).bytes): Promise<string> => {
    const relay = await cleanup.relay(options);
    const body = Uint8Array.from(bytes);
    return refusal(fetch(`${relay.url}/v1/messages`, { method: 'POST', headers: octets, body }));
  };
  const failing = (code: ErrorCode) => (): Promise<never> => Promise.reject(new RelayError(code));

  it('says so in the words of the catalogue where bytes are not as they should be', async () => {
    // Identity, signature, and the length of what follows.
    const signed = (...rest: readonly number[]): Uint8Array => Uint8Array.of(...new Uint8Array(96), ...rest);
    // Of one byte, in four.
    assert.equal(await post({}, signed(0x06, 0, 0, 0, 1)), '400 non-canonical');
    assert.equal(await post({}, signed(0x04, 9)), '400 unknown-variant');
    assert.equal(await post({}, signed(0x08, 1)), '400 truncated');
    assert.equal(await post({}, signed(0x00, 1)), '400 trailing-bytes');
  });

  for (const code of [
    ...([
      'not-for-us',
      'open-failed',
      'unknown-epoch',
      'bad-public-key',
      'bad-shared-secret',
      'replay-too-old',
    ] as const),
    ...(['clock-skew'] as const),
  ])
    it(`says so where its own entity does not take a message: ${code}`, async () => {
      const local: LocalEntity = { identity: bob.identity, accept: failing(code) };
      assert.equal(await post({ local }), `422 ${code}`);
    });

  for (const code of ['verifier-busy', 'verifier-closed'] as const)
    it(`says so where signatures can not be checked now: ${code}`, async () => {
      assert.equal(await post({ verifySignature: failing(code) }), `503 ${code}`);
    });

  it('says so where a WebSocket is asked for without an upgrade', async () => {
    const relay = await cleanup.relay();
    const asked = fetch(`${relay.url}/v1/ws`);
    assert.equal((await asked).headers.get('upgrade'), 'websocket');
    assert.equal(await refusal(asked), '426 upgrade-required');
  });

  it('gives challenges for as long as it is set to', async () => {
    const now = Date.now();
    const relay = await cleanup.relay({ clock: () => now, limits: { challengeMs: 1_234 } });
    const raw = await RawSocket.open(relay.url, cleanup);
    assert.equal((await raw.challenge()).expiresAt, BigInt(now + 1_234));
  });
});
