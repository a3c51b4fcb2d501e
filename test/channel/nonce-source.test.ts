import assert from 'node:assert/strict';
import fc from 'fast-check';
import { reserveNonce, type ChannelId } from '../../src/channel/index.ts';
import { openLmdbStore, openMemoryStore, type TransactionalStore } from '../../src/store/index.ts';
import { startChild } from '../support/child.ts';
import { useTempDir } from '../support/temp-dir.ts';

const id = (byte: string) => `0x${byte.repeat(32)}` as const;
const channel: ChannelId = { fromKind: 'worker', from: id('0a'), to: id('0b') };
const childScript = new URL('nonce-child.ts', import.meta.url);

/** Reserves and commits, as often as it takes. */
async function take(store: TransactionalStore, of: ChannelId, now: number, random = 0): Promise<bigint> {
  const { nonce, write, expectation } = await reserveNonce(store, of, { now: () => now, random: () => random });
  assert.equal(await store.commit([write], [expectation]), true);
  return nonce;
}

describe('channel: nonces', () => {
  const folder = useTempDir();

  it('are the time in ms and 20 random bits', async () => {
    await using store = openMemoryStore();
    let asked = 0;
    const random = (bits: number): number => ((asked = bits), 0xabcde);
    const { nonce } = await reserveNonce(store, channel, { now: () => 1_700_000_000_000, random });
    assert.equal(nonce, (1_700_000_000_000n << 20n) + 0xabcden);
    assert.equal(asked, 20);
  });

  it('have random bits of their own, below 2^20', async () => {
    await using store = openMemoryStore();
    const seen = new Set<bigint>();
    for (let n = 0; n < 50; n++) {
      const { nonce } = await reserveNonce(store, channel, { now: () => 1 });
      assert.equal(nonce >> 20n, 1n);
      seen.add(nonce);
    }
    assert.ok(seen.size > 45);
  });

  it('grow, whatever the clock and the random bits do', async () => {
    const step = fc.record({ now: fc.nat(5), random: fc.constantFrom(0, 1, 2 ** 20 - 1) });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
        await using store = openMemoryStore();
        let last = -1n;
        for (const { now, random } of steps) {
          const nonce = await take(store, channel, now, random);
          const byClock = (BigInt(now) << 20n) + BigInt(random);
          assert.equal(nonce, byClock > last ? byClock : last + 1n);
          last = nonce;
        }
      }),
    );
  });

  it('grow over a restart, also where the clock was put back meanwhile', async () => {
    const before = await openLmdbStore({ path: folder('data') });
    const first = await take(before, channel, 1_000_000, 5);
    await before.close();
    await using after = await openLmdbStore({ path: folder('data') });
    assert.equal(await take(after, channel, 10), first + 1n);
    assert.equal(await take(after, channel, 1_000_001), 1_000_001n << 20n);
  });

  it('of one channel do not move those of another', async () => {
    await using store = openMemoryStore();
    await take(store, channel, 1_000_000);
    const others: ChannelId[] = [
      { ...channel, fromKind: 'account' },
      { ...channel, to: id('0c') },
      { ...channel, from: id('0c') },
      { ...channel, from: channel.to, to: channel.from },
    ];
    for (const other of others) assert.equal(await take(store, other, 1), 1n << 20n);
    // The case of the hex makes no other channel.
    const upper = { ...channel, from: '0x0A'.padEnd(66, '0A') as `0x${string}` };
    assert.equal(await take(store, upper, 1), (1_000_000n << 20n) + 1n);
  });

  it('are taken only with the commit: what was not committed is given again', async () => {
    await using store = openMemoryStore();
    const clock = { now: () => 1, random: () => 0 };
    const [one, two] = [await reserveNonce(store, channel, clock), await reserveNonce(store, channel, clock)];
    assert.equal(one.nonce, two.nonce);
    assert.equal(await store.commit([one.write], [one.expectation]), true);
    assert.equal(await store.commit([two.write], [two.expectation]), false);
    assert.equal((await reserveNonce(store, channel, clock)).nonce, one.nonce + 1n);
  });

  it('of two processes on one store are never the same', async () => {
    const path = folder('data');
    const children = [1, 2].map(() => startChild(childScript, path, '40'));
    await Promise.all(children.map((child) => child.line()));
    for (const child of children) child.goOn();
    const taken = (await Promise.all(children.map((child) => child.rest()))).map((lines) => lines.map(BigInt));
    assert.deepEqual(await Promise.all(children.map(({ exit }) => exit)), [0, 0]);
    assert.equal(new Set(taken.flat()).size, 80);
    for (const nonces of taken)
      assert.deepEqual(
        nonces,
        nonces.toSorted((a, b) => (a < b ? -1 : 1)),
      );
  });
});
