import assert from 'node:assert/strict';
import { sr25519Verify, waitReady } from '@polkadot/wasm-crypto';
import { createVerifier, keyPairFromSeed, ready, signWith, verify, verifyBatch } from '../src/crypto/index.ts';
import type { VerifyRequest } from '../src/crypto/index.ts';
import type { Bench } from './harness.ts';

/** Length of what is signed for a message of 256 bytes, about. */
const contentLength = 600;
const count = 512;

export const room = 'crypto';

/**
 * sr25519 verification against that of @polkadot/wasm-crypto (its WASM, not its asm.js), of the same signatures by as many
 * signers: one by one, in batches on one core, with threads, and with one bad signature in every batch against one by one.
 */
export async function benches(): Promise<Bench[]> {
  await Promise.all([ready(), waitReady()]);
  const items = Array.from({ length: count }, (_, i): VerifyRequest => {
    const pair = keyPairFromSeed(new Uint8Array(32).fill(i).fill(i >> 8, 0, 1));
    const message = new Uint8Array(contentLength).fill(i);
    return { publicKey: pair.publicKey, message, signature: signWith(pair, message) };
  });
  const bad = ({ signature, ...item }: VerifyRequest): VerifyRequest => ({
    ...item,
    signature: signature.map((byte, at) => (at === 40 ? byte ^ 1 : byte)),
  });

  let next = 0;
  const item = (): VerifyRequest => items[next++ % count]!;
  const baseline = (): void => {
    const { publicKey, message, signature } = item();
    assert.ok(sr25519Verify(signature, message, publicKey));
  };
  const single = (): void => {
    const { publicKey, message, signature } = item();
    assert.ok(verify(publicKey, message, signature));
  };
  const batch = (size: number): Bench => ({
    name: `crypto/verify-batch-${size}`,
    ours: () => {
      for (let start = 0; start < count; start += size)
        assert.ok(verifyBatch(items.slice(start, start + size)).every(Boolean));
    },
    oursPerCall: count,
    baseline,
  });

  // As many as a busy relay has under way.
  const underWay = [...items, ...items, ...items, ...items];
  const threaded = await createVerifier({ threads: 2 });
  const attacked = await createVerifier({ threads: 0, maxBatch: 64 });
  const anonymous = items.map((each, i) => (i % 32 === 5 ? bad(each) : each));
  const attacker = {};
  const fromOne = anonymous.map((each, i) => (i % 32 === 5 ? { ...each, lane: attacker } : { ...each, lane: i }));
  const oneByOne = (): void => {
    for (const [i, { publicKey, message, signature }] of anonymous.entries())
      assert.equal(verify(publicKey, message, signature), i % 32 !== 5);
  };
  const attack = (name: string, sent: readonly VerifyRequest[]): Bench => ({
    name,
    ours: async () => {
      const verdicts = await Promise.all(sent.map((each) => attacked.verify(each)));
      assert.equal(verdicts.filter(Boolean).length, count - count / 32);
    },
    oursPerCall: count,
    baseline: oneByOne,
    baselinePerCall: count,
  });

  return [
    { name: 'crypto/verify-single', ours: single, baseline },
    batch(64),
    batch(128),
    {
      name: 'crypto/verify-threads',
      ours: async () => {
        const verdicts = await Promise.all(underWay.map((each) => threaded.verify(each)));
        assert.ok(verdicts.every(Boolean));
      },
      oursPerCall: underWay.length,
      baseline,
      end: () => threaded.close(),
    },
    attack('crypto/verify-attacked', anonymous),
    { ...attack('crypto/verify-attacked-lane', fromOne), end: () => attacked.close() },
  ];
}
