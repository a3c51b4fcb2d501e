import assert from 'node:assert/strict';
import fc from 'fast-check';
import { toHex } from '../../src/codec/index.ts';
import { agree, deriveCommKey, keyPairFromSeed, ready, type KeyPair } from '../../src/crypto/index.ts';
import { KeyCache } from '../../src/vault/key-cache.ts';
import { thrown } from '../support/expect-error.ts';
import { hostileEncodings } from '../support/hostile-keys.ts';

/** Its bytes, to look at. */
const visible = (bytes: Uint8Array) => ({ bytes, clear: () => void bytes.fill(0) });

describe('vault: the cache of keys', () => {
  let own: readonly [KeyPair, KeyPair];
  let peers: readonly KeyPair[];
  before(async () => {
    await ready();
    const pairs = Array.from({ length: 12 }, (_, n) => keyPairFromSeed(new Uint8Array(32).fill(n + 1)));
    own = [pairs[0]!, pairs[1]!];
    peers = pairs.slice(2);
  });

  function expected(pair: KeyPair, peer: KeyPair, sealing: boolean): string {
    const [sender, recipient] = sealing ? [pair, peer] : [peer, pair];
    const z = agree(pair.secretKey, peer.publicKey);
    return toHex(deriveCommKey({ z, senderKey: sender.publicKey, recipientKey: recipient.publicKey }));
  }

  it('gives what agreement and derivation give, whatever is asked in whatever order, beyond its capacity', () => {
    const use = fc.record({ pair: fc.nat(1), peer: fc.nat(9), sealing: fc.boolean() });
    fc.assert(
      fc.property(fc.array(use, { maxLength: 40 }), (uses) => {
        const cache = new KeyCache(visible, { capacity: 4 });
        for (const { pair, peer, sealing } of uses) {
          const [ownPair, peerPair] = [own[pair]!, peers[peer]!];
          const commKey = sealing
            ? cache.forSealing(ownPair, peerPair.publicKey)
            : cache.forOpening(ownPair, peerPair.publicKey);
          assert.equal(toHex(commKey.bytes), expected(ownPair, peerPair, sealing));
          assert.ok(cache.size <= 4);
        }
      }),
      { numRuns: 15 },
    );
  });

  it('keeps no more than its capacity, though all keys were used for sealing', () => {
    const cache = new KeyCache(visible, { capacity: 3 });
    for (const { publicKey } of peers) cache.forSealing(own[0], publicKey);
    assert.equal(cache.size, 3);
  });

  it('forgets the key that was not used for the longest, and overwrites it', () => {
    const cache = new KeyCache(visible, { capacity: 2 });
    const [a, b, c] = [peers[0]!, peers[1]!, peers[2]!];
    const keyOfA = cache.forOpening(own[0], a.publicKey);
    const keyOfB = cache.forOpening(own[0], b.publicKey);
    assert.equal(cache.forOpening(own[0], a.publicKey), keyOfA);
    cache.forOpening(own[0], c.publicKey);
    assert.equal(toHex(keyOfB.bytes), toHex(new Uint8Array(32)));
    assert.equal(cache.forOpening(own[0], a.publicKey), keyOfA);
    assert.equal(toHex(cache.forOpening(own[0], b.publicKey).bytes), expected(own[0], b, false));
  });

  it('gives the phala suite Z itself, the same both ways', () => {
    const cache = new KeyCache(visible);
    const z = cache.forPhala(own[0], own[1].publicKey);
    assert.equal(toHex(z.bytes), toHex(agree(own[0].secretKey, own[1].publicKey)));
    assert.equal(toHex(cache.forPhala(own[1], own[0].publicKey).bytes), toHex(z.bytes));
    assert.notEqual(toHex(cache.forSealing(own[0], own[1].publicKey).bytes), toHex(z.bytes));
  });

  it('forgets and overwrites what one own key made', () => {
    const cache = new KeyCache(visible);
    const gone = [cache.forOpening(own[0], peers[0]!.publicKey), cache.forPhala(own[0], peers[1]!.publicKey)];
    const kept = cache.forSealing(own[1], peers[0]!.publicKey);
    cache.clear(own[0].publicKey);
    for (const key of gone) assert.equal(toHex(key.bytes), toHex(new Uint8Array(32)));
    assert.equal(cache.forSealing(own[1], peers[0]!.publicKey), kept);
    assert.equal(cache.size, 1);
  });

  it('keeps nothing of a key that is refused', () => {
    const cache = new KeyCache(visible);
    for (const bytes of hostileEncodings.values()) {
      thrown(() => cache.forOpening(own[0], bytes), 'bad-public-key');
      thrown(() => cache.forSealing(own[0], bytes), 'bad-public-key');
    }
    assert.equal(cache.size, 0);
  });

  it('overwrites all keys when it is cleared', () => {
    const cache = new KeyCache(visible);
    const keys = peers.map(({ publicKey }) => cache.forOpening(own[0], publicKey));
    cache.clear();
    for (const key of keys) assert.equal(toHex(key.bytes), toHex(new Uint8Array(32)));
    assert.equal(cache.size, 0);
  });
});
