import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { decodeRelayFrame, encodeDeliveries, encodeRelayFrame } from '../../src/relay/frames.ts';

// Of both sides of where the length takes more bytes.
const sizes = [0, 1, 63, 64, 16_383, 16_384, 100_000];
const page = sizes.map((size, at) => ({ cursor: 2n ** 40n + BigInt(at), bytes: new Uint8Array(size).fill(at + 1) }));

describe('frames', () => {
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
