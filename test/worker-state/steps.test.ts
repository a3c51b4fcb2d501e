import assert from 'node:assert/strict';
import type { Hex } from '../../src/codec/index.ts';
import { RelayError } from '../../src/errors/index.ts';
import { StepReaders } from '../../src/worker-state/step-readers.ts';
import type { ResolvedWorker } from '../../src/worker-state/resolve-worker.ts';
import { WorkerTable } from '../../src/worker-state/worker-table.ts';
import { testWorker, withCode, type TestWorker } from '../chain/support.ts';
import { rowOf } from './support.ts';

const genesisHash: Hex = `0x${'01'.repeat(32)}`;
const [one, two] = [testWorker(1), testWorker(2)];

describe('steps for who reads at its own pace', () => {
  let table: WorkerTable;
  let readers: StepReaders;
  let block: number;

  beforeEach(() => {
    block = 1;
    table = new WorkerTable(genesisHash, (records) => records.map(() => true));
    readers = new StepReaders({
      get at() {
        return { block, hash: `0x${block}` as Hex };
      },
      resolved: (id) => table.resolved(id),
    });
  });

  /** Puts or takes out workers in a block. */
  const next = (...changes: readonly (readonly [TestWorker, readonly string[] | undefined])[]): void => {
    block += 1;
    const before: [Hex, ResolvedWorker | undefined][] = [];
    for (const [worker, endpoints] of changes) {
      before.push([worker.identity, table.resolved(worker.identity)]);
      if (endpoints === undefined) table.delete(worker.identity);
      else table.set(rowOf(worker, { endpoints }));
    }
    readers.note(before);
  };

  it('make one of what happened between two readings, as of the block that the state shows', async () => {
    const steps = readers.open();
    next([one, ['http://a']]);
    next([one, ['http://b']], [two, []]);
    next([two, undefined]);
    const { value } = await steps.next();
    assert.deepEqual(
      { block: value?.block, hash: value?.hash, isReset: value?.isReset },
      { block: 4, hash: '0x4', isReset: false },
    );
    assert.deepEqual(
      value?.changes.map((change) => [change.type, change.block, 'worker' in change && change.worker.endpoints]),
      [['added', 4, ['http://b']]],
    );
    next([one, undefined]);
    const [removed] = (await steps.next()).value?.changes ?? [];
    assert.equal(removed?.type, 'removed');
  });

  it('tell nothing of what is as it was, and wait for what is not', async () => {
    const steps = readers.open();
    next([one, []]);
    next([one, undefined]);
    const waiting = steps.next();
    next([two, []]);
    const { value } = await waiting;
    assert.deepEqual(
      value?.changes.map((change) => change.type),
      ['added'],
    );
  });

  it('are the same for each reader, however fast the others are', async () => {
    const [fast, slow] = [readers.open(), readers.open()];
    for (const url of ['a', 'b', 'c']) {
      next([one, [`http://${url}`]]);
      assert.equal((await fast.next()).value?.changes.length, 1);
    }
    const { value } = await slow.next();
    const [change] = value?.changes ?? [];
    assert.ok(change?.type === 'added');
    assert.deepEqual(change.worker.endpoints, ['http://c']);
  });

  it('keep a bounded memory of what a reader missed: beyond it the reader is told to read all again', async () => {
    const steps = readers.open();
    const before: [Hex, undefined][] = Array.from({ length: 5_000 }, (_, i) => [
      `0x${i.toString(16).padStart(64, '0')}`,
      undefined,
    ]);
    readers.note(before);
    next([one, []]);
    const { value } = await steps.next();
    assert.deepEqual([value?.isReset, value?.changes], [true, []]);
    next([two, []]);
    assert.deepEqual(
      (await steps.next()).value?.changes.map((change) => change.type),
      ['added'],
    );
  });

  it('count what giant lists take too', async () => {
    const giant = Array.from({ length: 64 }, (_, i) => `http://${i}/${'x'.repeat(2_000)}`);
    const many = Array.from({ length: 200 }, (_, i) => testWorker(i));
    next(...many.map((worker) => [worker, giant] as const));
    const steps = readers.open();
    next(...many.map((worker) => [worker, []] as const));
    assert.equal((await steps.next()).value?.isReset, true);
  });

  it('end with the watch, after what there was to tell', async () => {
    const [steps, failing] = [readers.open(), readers.open()];
    next([one, []]);
    await failing.next();
    readers.end();
    assert.equal((await steps.next()).value?.changes.length, 1);
    assert.equal((await steps.next()).done, true);
    assert.equal((await failing.next()).done, true);
  });

  it('end with the error that the watch ends with', async () => {
    const steps = readers.open();
    const waiting = steps.next();
    readers.end(new RelayError('chain-stopped'));
    await assert.rejects(waiting, withCode('chain-stopped'));
  });

  it('end where the reader leaves, waiting or not, and by its signal', async () => {
    const steps = readers.open();
    const waiting = steps.next();
    await steps.return?.();
    assert.equal((await waiting).done, true);
    await readers.open().return?.();
    const leaving = new AbortController();
    const aborted = readers.open(leaving.signal).next();
    leaving.abort();
    await assert.rejects(aborted, withCode('aborted'));
    next([one, []]);
  });
});
