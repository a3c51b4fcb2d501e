import assert from 'node:assert/strict';
import { RelayError } from '../../src/errors/index.ts';
import type { Queued } from '../../src/outbox/index.ts';
import { OutboxStore } from '../../src/outbox/outbox-store.ts';
import { openLmdbStore, openMemoryStore, type TransactionalStore } from '../../src/store/index.ts';
import { startChild } from '../support/child.ts';
import { rejected } from '../support/expect-error.ts';
import { replacing } from '../support/replacing.ts';
import { useTempDir } from '../support/temp-dir.ts';
import { contentsIn, openVault, queueing } from './queueing.ts';
import { idOf, queuedRecord } from './records.ts';

const childScript = new URL('append-child.ts', import.meta.url);
const many = 300;

describe('outbox: messages that are queued at the same time', () => {
  const folder = useTempDir();

  it('share few transactions, and each is sealed once', async () => {
    const { store, commits } = counting(openMemoryStore());
    let sealed = 0;
    const vault = { ...openVault, keep: counted(openVault.keep, () => sealed++) };
    await Promise.all(numbers(many).map((n) => queueing(store, `${n}`, { vault })));
    assert.deepEqual(await contentsIn(store), numbers(many).map(String));
    assert.ok(commits.length <= 3, `it took ${commits.length}`);
    assert.equal(sealed, many);
  });

  it('to many recipients, and commands without a nonce, share them too', async () => {
    const { store, commits } = counting(openMemoryStore());
    const queue = new OutboxStore(store);
    const command = {
      record: queuedRecord({ suite: 'phala', nonce: 0n }),
      body: new Uint8Array(1),
      route: 'worker',
    } as const;
    const [ids] = await Promise.all([
      Promise.all(numbers(100).map(() => queue.append(command))),
      ...numbers(100).map((n) => queueing(store, 'a', { to: idOf(n + 100) })),
    ]);
    assert.equal(new Set(ids).size, 100);
    assert.equal((await queue.list(0n, 1_000)).length, 200);
    assert.ok(commits.length <= 2, `it took ${commits.length}`);
  });

  it('keep the order of the calls, also where the first may go last', async () => {
    const store = openMemoryStore();
    let goOn = (): void => undefined;
    const isKnown = new Promise<void>((resolve) => (goOn = resolve));
    const first = queueing(store, 'first', { check: () => isKnown });
    const others = numbers(20).map((n) => queueing(store, `${n}`));
    await queueing(store, 'to another', { to: idOf(8) });
    assert.deepEqual(await contentsIn(store), ['to another'], 'who goes to others does not wait');
    goOn();
    const queued = await Promise.all([first, ...others]);
    assert.deepEqual(await contentsIn(store), ['to another', 'first', ...numbers(20).map(String)]);
    assertGrow(queued);
  });

  it('have each its own error, and the others go', async () => {
    const store = openMemoryStore();
    const refuses = (): Promise<never> => Promise.reject(new RelayError('unknown-recipient'));
    const isLocked = (): Promise<never> => Promise.reject(new RelayError('vault-closed'));
    const queued = [
      queueing(store, 'a'),
      rejected(queueing(store, 'b', { check: refuses }), 'unknown-recipient'),
      queueing(store, 'c'),
      rejected(queueing(store, 'd', { vault: { ...openVault, keep: isLocked } }), 'vault-closed'),
      queueing(store, 'e'),
    ];
    await Promise.all(queued);
    assert.deepEqual(await contentsIn(store), ['a', 'c', 'e']);
  });

  it('hold what was given at the call, whatever becomes of those bytes', async () => {
    const store = openMemoryStore();
    const bytes = new TextEncoder().encode('given');
    const queued = queueing(store, bytes);
    bytes.fill(0);
    await queued;
    assert.deepEqual(await contentsIn(store), ['given']);
  });

  it('that the store does not take fail alone', async () => {
    const disk = openMemoryStore();
    const commit: TransactionalStore['commit'] = async (writes, expected) => {
      if (writes.some(({ value }) => (value?.length ?? 0) > 1_000)) throw new RelayError('store-failed');
      return disk.commit(writes, expected);
    };
    const store = replacing(disk, { commit });
    await Promise.all([
      ...['a', 'b'].map((content) => queueing(store, content)),
      rejected(queueing(store, new Uint8Array(2_000)), 'store-failed'),
      ...['c', 'd'].map((content) => queueing(store, content)),
    ]);
    assert.deepEqual(await contentsIn(store), ['a', 'b', 'c', 'd']);
  });

  it('that are large do not all share a transaction', async () => {
    const { store, commits } = counting(openMemoryStore());
    await Promise.all(numbers(6).map(() => queueing(store, new Uint8Array(2 ** 21 - 1_000))));
    const most = Math.max(...commits);
    assert.ok(most <= 2 ** 22, `one has ${most} bytes`);
    await queueing(store, new Uint8Array(2 ** 22 + 1));
  });

  for (const before of [0, 1, 2])
    it(`lose nothing to a process that queues two between a look and a commit, after ${before}`, async () => {
      const disk = openMemoryStore();
      const otherProcess = replacing(disk, {});
      for (const n of numbers(before)) await queueing(disk, `before ${n}`);
      let isFirst = true;
      const commit: TransactionalStore['commit'] = async (writes, expected) => {
        if (isFirst) {
          isFirst = false;
          for (const content of ['other 1', 'other 2']) await queueing(otherProcess, content, { to: idOf(8) });
        }
        return disk.commit(writes, expected);
      };
      const store = replacing(disk, { commit });
      await queueing(store, 'ours');
      const expected = [...numbers(before).map((n) => `before ${n}`), 'other 1', 'other 2', 'ours'];
      assert.deepEqual(await contentsIn(disk), expected);
    });

  it('by two handles on a store have numbers and nonces of their own, each in order', async () => {
    const disk = openMemoryStore();
    const handles = ['a', 'b'].map((name) => ({ name, store: replacing(disk, {}) }));
    const queued = await Promise.all(
      handles.map(({ name, store }) => Promise.all(numbers(many).map((n) => queueing(store, `${name}${n}`)))),
    );
    for (const each of queued) assertGrow(each);
    assertApart(queued.flat(), 2 * many);
    assertInOrder(await contentsIn(disk), ['a', 'b']);
  });

  it('by two processes have numbers and nonces of their own, each in order', async () => {
    const path = folder('data');
    const children = ['a', 'b'].map((name) => startChild(childScript, path, String(many), name));
    try {
      await Promise.all(children.map((child) => child.line()));
      for (const child of children) child.goOn();
      const printed = await Promise.all(children.map((child) => child.rest()));
      assert.deepEqual(await Promise.all(children.map(({ exit }) => exit)), [0, 0]);
      const queued = printed.map((lines) =>
        lines.map((line): Queued => {
          const [sendId = '', nonce = ''] = line.split(' ');
          return { sendId: BigInt(sendId), nonce: BigInt(nonce) };
        }),
      );
      for (const each of queued) assertGrow(each);
      assertApart(queued.flat(), 2 * many);
      await using store = await openLmdbStore({ path });
      assertInOrder(await contentsIn(store), ['a', 'b']);
    } finally {
      for (const child of children) await child.kill();
    }
  });
});

function numbers(count: number): number[] {
  return Array.from({ length: count }, (_, n) => n);
}

function counted<Args extends unknown[], T>(run: (...args: Args) => T, count: () => void): (...args: Args) => T {
  return (...args) => {
    count();
    return run(...args);
  };
}

/** Of each commit the bytes of its values. */
function counting(disk: TransactionalStore): { readonly store: TransactionalStore; readonly commits: number[] } {
  const commits: number[] = [];
  const store = replacing(disk, {
    commit: (writes, expected) => {
      commits.push(writes.reduce((sum, { value }) => sum + (value?.length ?? 0), 0));
      return disk.commit(writes, expected);
    },
  });
  return { store, commits };
}

function assertGrow(queued: readonly Queued[]): void {
  queued.reduce((before, each) => {
    assert.ok(each.sendId > before.sendId && each.nonce > before.nonce);
    return each;
  });
}

function assertApart(queued: readonly Queued[], count: number): void {
  assert.equal(new Set(queued.map(({ sendId }) => sendId)).size, count);
  assert.equal(new Set(queued.map(({ nonce }) => nonce)).size, count);
}

function assertInOrder(contents: readonly string[], names: readonly string[]): void {
  for (const name of names) {
    const own = contents.filter((content) => content.startsWith(name));
    assert.deepEqual(
      own,
      numbers(many).map((n) => `${name}${n}`),
    );
  }
}
