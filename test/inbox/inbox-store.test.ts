import assert from 'node:assert/strict';
import fc from 'fast-check';
import { InboxStore } from '../../src/inbox/inbox-store.ts';
import { openInboxFiles } from '../../src/inbox/index.ts';
import type { MessageRecord, StreamItem } from '../../src/inbox/stream-item.ts';
import { openMemoryStore, storeKey, type TransactionalStore, type Write } from '../../src/store/index.ts';
import { rejected } from '../support/expect-error.ts';
import { messageRecord } from '../support/message-record.ts';

const genesisHash = `0x${'11'.repeat(32)}` as const;
const layoutKey = storeKey('inbox/layout');

const record = (n: number): MessageRecord =>
  messageRecord({
    envelope: new Uint8Array(n % 50).fill(n),
    block: n % 3 === 0 ? undefined : { number: n, hash: `0x${'22'.repeat(32)}` },
    isProven: n % 2 === 0,
  });
const gap: StreamItem = { kind: 'gap', first: 1, last: 2 };

describe('inbox: what is stored of items', () => {
  let store: TransactionalStore;
  beforeEach(() => {
    store = openMemoryStore();
  });

  it('has all done that one transaction says is done, of many runs, in any order', async () => {
    const files = new InboxStore(store);
    const items = [record(1), record(2)];
    for (let n = 0; n < 100; n++) await files.commit(files.runWrites(BigInt(2 * n), items));
    const even = Array.from({ length: 100 }, (_, n) => BigInt(2 * n));
    await files.commit(await files.doneWrites([...even, ...even.map((sequence) => sequence + 1n)]));
    assert.deepEqual(await new InboxStore(store).itemsFrom(0n, 10), []);
  });

  it('forgets nothing that is done of what was read while that was written', async () => {
    let written: Promise<unknown> = Promise.resolve();
    const slow: TransactionalStore = Object.assign(Object.create(store) as TransactionalStore, {
      get: (key: Uint8Array) => store.get(key),
      entries: (range: Parameters<TransactionalStore['entries']>[0]) => store.entries(range),
      commit: async (...change: Parameters<TransactionalStore['commit']>) => {
        await written;
        return store.commit(...change);
      },
    });
    const files = new InboxStore(slow);
    let next = 0n;
    const run = (count: number): Write[] => {
      const items = Array.from({ length: count }, (_, i) => record(i));
      next += BigInt(count);
      return files.runWrites(next - BigInt(count), items);
    };
    await files.commit(run(4));
    // As many runs as are held in memory, and one more.
    for (let n = 0; n < 63; n++) await files.commit(run(2));
    const done = await files.doneWrites([0n, 1n]);
    let write = (): void => undefined;
    written = new Promise<void>((resolve) => (write = resolve));
    const committing = files.commit([...run(2), ...done]);
    assert.deepEqual((await files.itemsFrom(2n, 1))[0]?.[0], 2n);
    write();
    await committing;
    await files.commit(await files.doneWrites([2n]));
    const left = await new InboxStore(store).itemsFrom(0n, 2);
    assert.deepEqual(
      left.map(([sequence]) => sequence),
      [3n],
    );
  });

  it('is what a list of them would be, however they were written, done with and looked at', async () => {
    const step = fc.oneof(
      fc.record({ does: fc.constant('append' as const), count: fc.integer({ min: 1, max: 6 }) }),
      fc.record({ does: fc.constant('alone' as const), count: fc.constant(1) }),
      fc.record({ does: fc.constant('finish' as const), count: fc.integer({ min: 1, max: 30 }) }),
      fc.record({ does: fc.constant('replace' as const), count: fc.integer({ min: 1, max: 30 }) }),
      fc.record({ does: fc.constant('lose' as const), count: fc.integer({ min: 1, max: 30 }) }),
      fc.record({ does: fc.constant('reopen' as const), count: fc.constant(0) }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), fc.integer({ min: 1, max: 5 }), async (steps, limit) => {
        await using memory = openMemoryStore();
        let files = new InboxStore(memory);
        const model = new Map<bigint, StreamItem>();
        let next = 0n;
        for (const { does, count } of steps) {
          const kept = [...model.keys()];
          const chosen = kept.filter((_, i) => i % count === 0);
          let writes: Write[] = [];
          if (does === 'append' || does === 'alone') {
            const items = Array.from({ length: count }, (_, i) => (i === 3 ? gap : record(Number(next) + i)));
            writes = does === 'alone' ? [files.itemWrite(next, items[0])] : files.runWrites(next, items);
            items.forEach((item, i) => model.set(next + BigInt(i), item));
            next += BigInt(count);
          } else if (does === 'finish') {
            writes = await files.doneWrites(chosen);
            chosen.forEach((sequence) => model.delete(sequence));
          } else if (does === 'replace' && kept[0] !== undefined) {
            const sequence = kept[count % kept.length] ?? kept[0];
            writes = await files.replaceWrites(sequence, { kind: 'dead', letter: sequence });
            model.set(sequence, { kind: 'dead', letter: sequence });
          } else if (does === 'lose') {
            // Planned, and not committed.
            await files.doneWrites(chosen);
            files.runWrites(next, Array<StreamItem>(1 + (count % 6)).fill(gap));
            files.forget();
          } else files = new InboxStore(memory);
          await memory.commit(writes);
          assert.deepEqual(
            await readAll(files, limit),
            [...model].sort(([a], [b]) => (a < b ? -1 : 1)),
          );
          for (let at = 0n; at < next; at += 3n) assert.deepEqual(await files.item(at), model.get(at));
        }
        await memory.commit(await files.doneWrites([...model.keys()]));
        const rest = await memory.entries({ from: Uint8Array.of(0), to: Uint8Array.of(255) });
        assert.deepEqual(rest, [], 'nothing is left of what is done with');
      }),
      { numRuns: 150 },
    );
  });

  it('bears its layout: a later one is refused, by the inbox and by who looks into it', async () => {
    const files = new InboxStore(store);
    await files.commit(await files.claimWrites(genesisHash));
    assert.deepEqual(await files.claimWrites(genesisHash), []);
    const [layout = 0] = (await store.get(layoutKey)) ?? [];
    await store.commit([{ key: layoutKey, value: Uint8Array.of(layout + 1) }]);
    const error = await rejected(files.claimWrites(genesisHash), 'store-of-newer-version');
    assert.deepEqual(error.details, { stored: layout + 1, known: layout });
    await rejected(openInboxFiles(store), 'store-of-newer-version');
  });

  it('that was written with an entry for each item, before there were layouts, goes on as it is', async () => {
    const files = new InboxStore(store);
    const genesis = { key: storeKey('inbox/genesis'), value: new Uint8Array(32).fill(0x11) };
    await store.commit([genesis, files.itemWrite(0n, record(1)), files.itemWrite(1n, record(2))]);
    await store.commit(await files.claimWrites(genesisHash));
    assert.equal((await store.get(layoutKey))?.length, 1);
    await store.commit(files.runWrites(2n, [record(3), record(4)]));
    assert.deepEqual(
      (await readAll(new InboxStore(store), 3)).map(([sequence]) => sequence),
      [0n, 1n, 2n, 3n],
    );
    await rejected(files.claimWrites(`0x${'33'.repeat(32)}`), 'store-of-another-chain');
  });
});

async function readAll(files: InboxStore, limit: number) {
  const all: (readonly [bigint, StreamItem])[] = [];
  for (let from = 0n; ;) {
    const page = await files.itemsFrom(from, limit);
    const last = page.at(-1);
    if (last === undefined) return all;
    assert.ok(page.length <= limit);
    all.push(...page);
    from = last[0] + 1n;
  }
}
