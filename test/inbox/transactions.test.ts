import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { ReplayWindow } from '../../src/channel/index.ts';
import { InboxStore } from '../../src/inbox/inbox-store.ts';
import { Transactions } from '../../src/inbox/transactions.ts';
import { openMemoryStore, rangeOf, storeKey, type TransactionalStore } from '../../src/store/index.ts';
import { messageRecord } from '../support/message-record.ts';
import { replacing } from '../support/replacing.ts';

const record = messageRecord();

/** One of two processes over a store. */
interface Side {
  readonly store: InboxStore;
  accept(count: number): Promise<unknown>;
}

class Signal {
  readonly given: Promise<void>;
  give: () => void = () => undefined;

  constructor() {
    this.given = new Promise((resolve) => (this.give = resolve));
  }
}

describe('transactions of an inbox', () => {
  let memory: TransactionalStore;
  let store: InboxStore;
  let transactions: Transactions;
  const done: bigint[] = [];
  let onAccepted: () => void;

  beforeEach(async () => {
    memory = openMemoryStore();
    store = new InboxStore(memory);
    done.length = 0;
    onAccepted = () => undefined;
    transactions = new Transactions({
      store,
      window: new ReplayWindow(memory),
      onAccepted: () => {
        onAccepted();
      },
      onDone: (sequences) => done.push(...sequences),
    });
    await store.commit([...store.runWrites(0n, [record, record, record]), store.sequenceWrite(3n)]);
  });

  it('keep the acknowledgements that went with what could not be planned', async () => {
    const acknowledged = transactions.inTurn(async () => {
      const durable = transactions.acknowledge(1n, true);
      const failed = transactions.transact(() => Promise.reject(new Error('the agent is gone')));
      await assert.rejects(failed, /the agent is gone/);
      return { durable };
    });
    const { durable } = await acknowledged;
    await durable;
    assert.deepEqual(done, [1n]);
    const left = await new InboxStore(memory).itemsFrom(0n, 10);
    assert.deepEqual(
      left.map(([sequence]) => sequence),
      [0n, 2n],
    );
  });

  it('keep the acknowledgements that went with what the store refused', async () => {
    const { durable } = await transactions.inTurn(async () => {
      const durable = transactions.acknowledge(1n, true);
      const key = new Uint8Array(513);
      const refused = transactions.transact(async (next) => ({ writes: [{ key, value: key }], next }));
      await assert.rejects(refused);
      return { durable };
    });
    await durable;
    assert.deepEqual(done, [1n]);
  });

  it('keep what is stored where its listener fails, and write it once', async () => {
    onAccepted = () => assert.fail('the listener');
    const { durable } = await transactions.inTurn(async () => {
      const durable = transactions.acknowledge(1n, true);
      await assert.rejects(
        transactions.transact(async (next) => ({ writes: [], next: next + 1n })),
        /the listener/,
      );
      return { durable };
    });
    await durable;
    assert.deepEqual(done, [1n]);
    assert.equal(await store.nextSequence(), 4n);
  });

  describe('beside another one over the same store', () => {
    let other: Transactions;

    beforeEach(async () => {
      const parts = { store: new InboxStore(memory), window: new ReplayWindow(memory) };
      other = new Transactions({ ...parts, onAccepted: () => undefined, onDone: () => undefined });
      // Each has read what is done of the run.
      await transactions.acknowledge(2n, true);
      await other.settled();
      assert.deepEqual(
        (await parts.store.itemsFrom(0n, 10)).map(([sequence]) => sequence),
        [0n, 1n],
      );
    });

    const left = async () => (await new InboxStore(memory).itemsFrom(0n, 10)).map(([at, { kind }]) => [at, kind]);

    const marks = () => memory.entries(rangeOf(storeKey('inbox/marks/')));

    it('keep what that one acknowledged', async () => {
      await other.acknowledge(0n, true);
      assert.deepEqual(await left(), [[1n, 'message']]);
      await transactions.acknowledge(1n, true);
      assert.deepEqual(await left(), []);
      assert.deepEqual(done, [2n, 1n]);
      assert.deepEqual(await marks(), []);
    });

    it('show what that one accepted where these were to begin, and begin behind it', async () => {
      const [began, mayGoOn] = [new Signal(), new Signal()];
      const slow = replacing(memory, {
        commit: async (...write) => {
          began.give();
          await mayGoOn.given;
          return memory.commit(...write);
        },
      });
      const sideOf = (each: TransactionalStore): Side => {
        const parts = { store: new InboxStore(each), window: new ReplayWindow(each) };
        const made = new Transactions({ ...parts, onAccepted: () => undefined, onDone: () => undefined });
        const accept = (count: number): Promise<unknown> =>
          made.inTurn(() =>
            made.transact(async (next) => ({
              writes: parts.store.runWrites(
                next,
                Array.from({ length: count }, () => record),
              ),
              next: next + BigInt(count),
            })),
          );
        return { ...parts, accept };
      };
      const [ours, theirs] = [sideOf(slow), sideOf(memory)];
      const sequences = async (from: bigint) => (await ours.store.itemsFrom(from, 10)).map(([sequence]) => sequence);
      const accepting = ours.accept(5);
      await began.given;
      assert.deepEqual(await sequences(3n), []);
      await theirs.accept(2);
      assert.deepEqual([await sequences(3n), await sequences(4n), await sequences(5n)], [[3n, 4n], [4n], []]);
      await theirs.accept(1);
      assert.deepEqual(await sequences(5n), [5n]);
      mayGoOn.give();
      await accepting;
      assert.deepEqual(await sequences(3n), [3n, 4n]);
      assert.deepEqual(await sequences(5n), [5n, 6n, 7n, 8n, 9n, 10n]);
    });

    it('leave nothing of a run that is done with', async () => {
      await Promise.all([other.acknowledge(0n, true), other.acknowledge(1n, true)]);
      await transactions.acknowledge(0n, true);
      assert.deepEqual(await left(), []);
      assert.deepEqual(await marks(), []);
    });

    it('put something in the place of a message, and keep what that one acknowledged', async () => {
      await other.acknowledge(0n, true);
      await transactions.change((files) => files.replaceWrites(1n, { kind: 'dead', letter: 1n }));
      assert.deepEqual(await left(), [[1n, 'dead']]);
      assert.deepEqual(await marks(), []);
    });
  });

  it('tell that another process may have accepted something before the first of them', async () => {
    assert.equal(await transactions.isBehind(), true);
    assert.equal(await transactions.isBehind(), false);
    await store.commit([...store.runWrites(3n, [record]), store.sequenceWrite(4n)]);
    assert.equal(await transactions.isBehind(), true);
    assert.equal(await transactions.isBehind(), false);
  });

  it('tell who acknowledges that the store has failed', async () => {
    await memory.close();
    await assert.rejects(transactions.acknowledge(1n, true));
    assert.deepEqual(done, []);
  });
});
