import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { RelayError } from '../../src/errors/index.ts';
import { decodeClientFrame, encodeClientFrame, type ClientFrame } from '../../src/relay/client-frames.ts';
import { frameOverhead } from '../../src/relay/frames.ts';
import {
  decodeRelayFrame,
  encodeDeliveries,
  encodeRelayFrame,
  type FrameStatus,
  type RelayFrame,
} from '../../src/relay/relay-frames.ts';

const u32 = fc.integer({ min: 0, max: 0xffffffff });
const u64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const hex = (length: number) => bytes(length).map((value) => `0x${Buffer.from(value).toString('hex')}` as const);
const text = fc.string({ unit: 'grapheme' });

const record = <T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> =>
  fc.record<T>(model, { noNullPrototype: true });

const clientFrames: fc.Arbitrary<ClientFrame> = fc.oneof(
  record({ type: fc.constant('send' as const), id: u32, signedEnvelope: fc.uint8Array({ maxLength: 500 }) }),
  record({ type: fc.constant('challenge-me' as const), id: u32 }),
  record({
    type: fc.constantFrom('login' as const, 'prove' as const),
    id: u32,
    identity: hex(32),
    origin: text,
    signature: bytes(64),
  }),
  record({ type: fc.constant('credit' as const), deliveries: u32 }),
  record({ type: fc.constant('ack' as const), upTo: u64 }),
  record({ type: fc.constant('post-reply' as const), id: u32, signedEnvelope: fc.uint8Array({ maxLength: 500 }) }),
  record({ type: fc.constant('await-reply' as const), id: u32, senderKey: bytes(32), after: u64 }),
  record({ type: fc.constant('reply-done' as const), senderKey: bytes(32), upTo: u64 }),
  record({ type: fc.constant('await-delivered' as const), id: u32, to: hex(32), messageId: hex(32), sentAt: u64 }),
  record({ type: fc.constant('forget' as const), id: u32 }),
);

const hello = {
  type: fc.constant('hello' as const),
  genesisHash: hex(32),
  window: u32,
  maxMessageBytes: u32,
  identity: fc.option(hex(32), { nil: undefined }),
};
const relayFrames: fc.Arbitrary<RelayFrame> = fc.oneof(
  record(hello),
  record({ ...hello, version: fc.constant(2 as const) }),
  record({
    type: fc.constant('receipt' as const),
    id: u32,
    status: fc.constantFrom<FrameStatus>('stored', 'delivered', 'duplicate', 'forwarded'),
    messageId: hex(32),
  }),
  record({ type: fc.constant('error' as const), id: u32, code: text, message: text, remedy: text, details: text }),
  record({ type: fc.constant('challenge' as const), id: u32, serverNonce: bytes(32), expiresAt: u64 }),
  record({ type: fc.constant('logged-in' as const), id: u32, generation: hex(16), acknowledged: u64 }),
  record({ type: fc.constant('delivery' as const), cursor: u64, signedEnvelope: fc.uint8Array({ maxLength: 500 }) }),
  record({ type: fc.constant('acked' as const), upTo: u64 }),
  record({
    type: fc.constant('reply' as const),
    id: u32,
    cursor: u64,
    signedEnvelope: fc.uint8Array({ maxLength: 500 }),
  }),
);

// Of both sides of where the length takes more bytes.
const sizes = [0, 1, 63, 64, 16_383, 16_384, 100_000];
const page = sizes.map((size, at) => ({ cursor: 2n ** 40n + BigInt(at), bytes: new Uint8Array(size).fill(at + 1) }));

describe('relay: frames', () => {
  it('come back as they went', () => {
    fc.assert(
      fc.property(clientFrames, (frame) => {
        assert.deepEqual(decodeClientFrame(encodeClientFrame(frame)), frame);
      }),
    );
    fc.assert(
      fc.property(relayFrames, (frame) => {
        assert.deepEqual(decodeRelayFrame(encodeRelayFrame(frame)), frame);
      }),
    );
  });

  it('that are cut, padded or made up are refused with a RelayError', () => {
    const refusesCut = (encoded: Uint8Array, cut: number, decode: (bytes: Uint8Array) => unknown): void => {
      assert.throws(() => decode(encoded.slice(0, cut % encoded.length)), RelayError);
      assert.throws(() => decode(Uint8Array.from([...encoded, 0])), RelayError);
    };
    fc.assert(
      fc.property(clientFrames, relayFrames, fc.nat(), (ofClient, ofRelay, cut) => {
        refusesCut(encodeClientFrame(ofClient), cut, decodeClientFrame);
        refusesCut(encodeRelayFrame(ofRelay), cut, decodeRelayFrame);
      }),
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (random) => {
        for (const decode of [decodeClientFrame, decodeRelayFrame])
          try {
            decode(random);
          } catch (error) {
            assert.ok(error instanceof RelayError);
          }
      }),
    );
  });

  it('add no more to a message than their overhead', () => {
    const signedEnvelope = new Uint8Array(2 ** 18);
    const send = encodeClientFrame({ type: 'send', id: 0xffffffff, signedEnvelope });
    const delivery = encodeRelayFrame({ type: 'delivery', cursor: 2n ** 64n - 1n, signedEnvelope });
    for (const { length } of [send, delivery]) assert.ok(length - signedEnvelope.length <= frameOverhead);
  });

  it('of a page of deliveries are those of each alone, one after the other', () => {
    const { frames, ends } = encodeDeliveries(page);
    const pieces = ends.map((end, at) => frames.subarray(ends[at - 1] ?? 0, end));
    assert.equal(ends.at(-1), frames.length);
    assert.deepEqual(
      pieces,
      page.map(({ cursor, bytes }) => encodeRelayFrame({ type: 'delivery', cursor, signedEnvelope: bytes })),
    );
    assert.deepEqual(
      pieces.map(decodeRelayFrame),
      page.map(({ cursor, bytes }) => ({ type: 'delivery', cursor, signedEnvelope: bytes })),
    );
  });
});
