import assert from 'node:assert/strict';
import { ReplayWindow, reserveNonce, type Arrival, type ChannelId } from '../../src/channel/index.ts';
import { toHex } from '../../src/codec/index.ts';
import { openLmdbStore, type TransactionalStore } from '../../src/store/index.ts';
import { collectGarbage } from '../support/collect-garbage.ts';
import { useTempDir } from '../support/temp-dir.ts';

/** A million in a long run: KHALA_RELAY_CHANNELS=1000000 npx mocha test/channel/many-channels.test.ts */
const channels = Number(process.env['KHALA_RELAY_CHANNELS'] ?? 8_000);
const atOnce = 1_000;
const maxGrowth = 24 << 20;

function heapAfterCollection(): number {
  collectGarbage();
  return process.memoryUsage().heapUsed;
}

function channel(n: number): ChannelId {
  const from = new Uint8Array(32);
  new DataView(from.buffer).setUint32(0, n);
  return { fromKind: n % 2 === 0 ? 'worker' : 'account', from: toHex(from), to: toHex(new Uint8Array(32).fill(9)) };
}

function arrival(of: ChannelId, nonce: bigint, via: 'chain' | 'relay'): Arrival {
  return { channel: of, nonce, sentAt: nonce >> 20n, via, isFinal: true, tag: 1n };
}

describe('channels, many of them', function () {
  this.timeout(Math.max(60_000, channels));
  const folder = useTempDir();

  it('take room on disk and none in memory, and are all there after a restart', async () => {
    const use = async (store: TransactionalStore, n: number): Promise<bigint> => {
      const window = new ReplayWindow(store);
      const { nonce, write, expectation } = await reserveNonce(store, channel(n));
      const admission = await window.admit(arrival(channel(n), nonce, 'relay'));
      assert.ok(admission !== undefined);
      assert.ok(await store.commit([write, ...admission.writes], [expectation, ...admission.expectations]));
      return nonce;
    };
    let store = await openLmdbStore({ path: folder('store') });
    for (let n = 0; n < atOnce; n++) await use(store, n);
    const before = heapAfterCollection();
    const nonces: bigint[] = [];
    for (let start = atOnce; start < channels; start += atOnce) {
      const made = await Promise.all(Array.from({ length: atOnce }, (_, i) => use(store, start + i)));
      nonces.splice(0, nonces.length, ...made);
    }
    const growth = heapAfterCollection() - before;
    assert.ok(growth < maxGrowth, `${(growth / 2 ** 20).toFixed(1)} MiB more for ${channels} channels`);
    await store.close();
    store = await openLmdbStore({ path: folder('store') });
    const window = new ReplayWindow(store);
    for (let i = 0; i < atOnce; i += 97)
      assert.equal(await window.admit(arrival(channel(channels - atOnce + i), nonces[i]!, 'chain')), undefined);
    await store.close();
  });
});
