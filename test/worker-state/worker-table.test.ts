import assert from 'node:assert/strict';
import type { Hex } from '../../src/codec/index.ts';
import { verifyBatch } from '../../src/crypto/index.ts';
import { KeyIndex } from '../../src/worker-state/key-index.ts';
import { emptyKeyPage, withKeys } from '../../src/worker-state/key-page.ts';
import { pageOf } from '../../src/worker-state/proven-keys.ts';
import type { EpochKey } from '../../src/worker-state/worker-state.ts';
import { WorkerTable } from '../../src/worker-state/worker-table.ts';
import { recordOf, testKey, testWorker } from '../chain/support.ts';
import { rowOf } from './support.ts';

const numbered = (epoch: number): Uint8Array => new Uint8Array(32).fill(epoch & 0xff);
const genesisHash: Hex = `0x${'42'.repeat(32)}`;

describe('WorkerTable', () => {
  const [one, two] = [testWorker(1), testWorker(2)];
  let verified: number;
  let table: WorkerTable;
  beforeEach(() => {
    verified = 0;
    table = new WorkerTable(genesisHash, (records) => {
      verified += records.length;
      return verifyBatch(records);
    });
  });

  it('verifies a record only when somebody looks', () => {
    table.set(rowOf(one, { endpoints: [recordOf(one, genesisHash, 1, testKey(5))] }));
    table.set(rowOf(two, { endpoints: [recordOf(two, genesisHash, 1, testKey(6))] }));
    assert.equal(verified, 0);
    assert.equal(table.resolved(one.identity)?.entry.current.epoch, 1);
    assert.equal(table.resolved(one.identity)?.entry.current.epoch, 1);
    assert.equal(verified, 1);
  });

  it('verifies no record again by which a key was proven, in this run or in an earlier one, but any other of that key', () => {
    const [record, again] = [recordOf(one, genesisHash, 1, testKey(5)), recordOf(one, genesisHash, 1, testKey(5))];
    assert.notEqual(record, again, 'signatures are made with randomness');
    table.set(rowOf(one, { endpoints: [record] }));
    const proven = table.resolved(one.identity)?.proven ?? [];
    table.set(rowOf(one, { endpoints: [record, 'http://a'] }));
    assert.deepEqual(table.resolved(one.identity)?.proven, proven);
    assert.equal(verified, 1);
    const later = new WorkerTable(genesisHash, () => assert.fail('it is verified again'));
    later.remember(pageOf(one.identity), withKeys(emptyKeyPage, [[one.identity, proven]]));
    later.set(rowOf(one, { endpoints: [record] }));
    const { entry, faults } = later.resolved(one.identity) ?? assert.fail();
    assert.deepEqual([entry.current.epoch, entry.current.proven, faults.size], [1, true, 0]);
    table.set(rowOf(one, { endpoints: [again] }));
    assert.equal(table.resolved(one.identity)?.faults.size, 0);
    assert.equal(verified, 2);
    const forged = `${record.slice(0, -2)}${record.endsWith('80') ? '81' : '80'}`;
    table.set(rowOf(one, { endpoints: [forged] }));
    assert.deepEqual([...(table.resolved(one.identity)?.faults.keys() ?? [])], [forged]);
    assert.equal(verified, 3);
  });

  it('finds a worker by the keys it has and had, verified yet or not', () => {
    table.set(rowOf(one, { endpoints: [recordOf(one, genesisHash, 1, testKey(5))] }));
    table.set(rowOf(two));
    assert.equal(table.byEcdhKey(testKey(5))?.identity, one.identity);
    assert.equal(table.byEcdhKey(one.ecdhKey)?.identity, one.identity);
    table.set(rowOf(one, { endpoints: [recordOf(one, genesisHash, 2, testKey(7))] }));
    assert.equal(table.byEcdhKey(testKey(5))?.identity, one.identity);
    assert.equal(table.byEcdhKey(testKey(7))?.identity, one.identity);
    assert.equal(table.byEcdhKey(testKey(9)), undefined);
  });

  it('holds as many keys of a worker as it knows epochs of it, however often that rotates', () => {
    const index = new KeyIndex();
    let seen: readonly EpochKey[] = [];
    for (let epoch = 1; epoch <= 200; epoch++) {
      const row = rowOf(one, { endpoints: [recordOf(one, genesisHash, epoch, numbered(epoch))] });
      index.addRow(one.identity, row, seen);
      const proven = [...seen, { epoch, ecdhKey: numbered(epoch), proven: true }].slice(-64);
      index.replaceProven(one.identity, row, seen, proven);
      seen = proven;
      assert.deepEqual([index.get(numbered(epoch)), index.get(one.ecdhKey)], [[one.identity], [one.identity]]);
      index.removeRow(one.identity, row, seen);
      assert.equal(index.size, seen.length);
    }
    assert.deepEqual([index.get(numbered(136)), index.get(numbered(137))], [[], [one.identity]]);
  });

  it('looks at no other worker to find one by its key', () => {
    for (let seed = 10; seed < 20; seed++) {
      const other = testWorker(seed);
      table.set(rowOf(other, { endpoints: [recordOf(other, genesisHash, 1, testKey(seed))] }));
    }
    assert.equal(table.byEcdhKey(testKey(15))?.identity, testWorker(15).identity);
    assert.equal(verified, 1);
  });

  it('prefers who proves a key to who only registered with it', () => {
    const thief = rowOf(two, { ecdhKey: testKey(5) });
    table.set(thief);
    table.set(rowOf(one, { endpoints: [recordOf(one, genesisHash, 1, testKey(5))] }));
    assert.equal(table.byEcdhKey(testKey(5))?.identity, one.identity);
    table.set(thief);
    assert.equal(table.byEcdhKey(testKey(5))?.identity, one.identity);
  });

  it('does not find a worker by a key that a false record names', () => {
    table.set(rowOf(two, { endpoints: [recordOf(one, genesisHash, 1, testKey(5))] }));
    assert.equal(table.byEcdhKey(testKey(5)), undefined);
  });

  it('finds workers by URL as it changes', () => {
    table.set(rowOf(one, { endpoints: ['http://a'] }));
    assert.equal(table.byUrl('http://a').length, 1);
    table.set(rowOf(two, { endpoints: ['http://a', 'http://b'] }));
    assert.equal(table.byUrl('http://a').length, 2);
    table.set(rowOf(one, { endpoints: ['http://b'] }));
    assert.deepEqual(
      table.byUrl('http://a').map(({ identity }) => identity),
      [two.identity],
    );
    table.delete(two.identity);
    assert.deepEqual(table.byUrl('http://a'), []);
    assert.equal(table.byUrl('http://b').length, 1);
  });

  it('remembers the keys of a worker that is gone', () => {
    table.set(rowOf(one, { endpoints: [recordOf(one, genesisHash, 3, testKey(5))] }));
    assert.equal(table.resolved(one.identity)?.entry.current.epoch, 3);
    table.delete(one.identity);
    assert.equal(table.size, 0);
    table.set(rowOf(one));
    assert.equal(table.resolved(one.identity)?.entry.current.epoch, 3);
  });
});
