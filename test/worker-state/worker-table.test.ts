import assert from 'node:assert/strict';
import type { Hex } from '../../src/codec/index.ts';
import { verify } from '../../src/crypto/index.ts';
import type { WorkerFacts } from '../../src/worker-state/worker-facts.ts';
import { WorkerTable } from '../../src/worker-state/worker-table.ts';
import { recordOf, testKey, testWorker, type TestWorker } from '../chain/support.ts';

const genesisHash: Hex = `0x${'42'.repeat(32)}`;

function factsOf(worker: TestWorker, changes: Partial<WorkerFacts> = {}): WorkerFacts {
  return {
    identity: worker.identity,
    registered: worker.ecdhKey,
    urls: [],
    records: [],
    gatekeeper: false,
    runtimeVersion: 1,
    confidenceLevel: 128,
    ...changes,
  };
}

describe('WorkerTable', () => {
  const [one, two] = [testWorker(1), testWorker(2)];
  let verified: number;
  let table: WorkerTable;
  beforeEach(() => {
    verified = 0;
    table = new WorkerTable(genesisHash, (...record) => {
      verified++;
      return verify(...record);
    });
  });

  it('verifies a record only when somebody looks', () => {
    table.set(factsOf(one, { records: [recordOf(one, genesisHash, 1, testKey(5))] }));
    table.set(factsOf(two, { records: [recordOf(two, genesisHash, 1, testKey(6))] }));
    assert.equal(verified, 0);
    assert.equal(table.resolved(one.identity)?.entry.current.epoch, 1);
    assert.equal(table.resolved(one.identity)?.entry.current.epoch, 1);
    assert.equal(verified, 1);
    assert.deepEqual([...table.unresolved], [two.identity]);
  });

  it('finds a worker by the keys it has and had, verified yet or not', () => {
    table.set(factsOf(one, { records: [recordOf(one, genesisHash, 1, testKey(5))] }));
    table.set(factsOf(two));
    assert.equal(table.byEcdhKey(testKey(5))?.identity, one.identity);
    assert.equal(table.byEcdhKey(one.ecdhKey)?.identity, one.identity);
    table.set(factsOf(one, { records: [recordOf(one, genesisHash, 2, testKey(7))] }));
    assert.equal(table.byEcdhKey(testKey(5))?.identity, one.identity);
    assert.equal(table.byEcdhKey(testKey(7))?.identity, one.identity);
    assert.equal(table.byEcdhKey(testKey(9)), undefined);
  });

  it('prefers who proves a key to who only registered with it', () => {
    const thief = factsOf(two, { registered: testKey(5) });
    table.set(thief);
    table.set(factsOf(one, { records: [recordOf(one, genesisHash, 1, testKey(5))] }));
    assert.equal(table.byEcdhKey(testKey(5))?.identity, one.identity);
    table.set(thief);
    assert.equal(table.byEcdhKey(testKey(5))?.identity, one.identity);
  });

  it('does not find a worker by a key that a false record names', () => {
    table.set(factsOf(two, { records: [recordOf(one, genesisHash, 1, testKey(5))] }));
    assert.equal(table.byEcdhKey(testKey(5)), undefined);
  });

  it('finds workers by URL as it changes', () => {
    table.set(factsOf(one, { urls: ['http://a'] }));
    assert.equal(table.byUrl('http://a').length, 1);
    table.set(factsOf(two, { urls: ['http://a', 'http://b'] }));
    assert.equal(table.byUrl('http://a').length, 2);
    table.set(factsOf(one, { urls: ['http://b'] }));
    assert.deepEqual(
      table.byUrl('http://a').map(({ identity }) => identity),
      [two.identity],
    );
    table.delete(two.identity);
    assert.deepEqual(table.byUrl('http://a'), []);
    assert.equal(table.byUrl('http://b').length, 1);
  });

  it('remembers the keys of a worker that is gone', () => {
    table.set(factsOf(one, { records: [recordOf(one, genesisHash, 3, testKey(5))] }));
    assert.equal(table.resolved(one.identity)?.entry.current.epoch, 3);
    table.delete(one.identity);
    assert.equal(table.size, 0);
    table.set(factsOf(one));
    assert.equal(table.resolved(one.identity)?.entry.current.epoch, 3);
  });
});
