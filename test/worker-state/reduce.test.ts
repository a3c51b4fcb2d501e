import assert from 'node:assert/strict';
import fc from 'fast-check';
import { boundEndpoints } from '../../src/chain/storage/endpoints.ts';
import { compareBytes, equalBytes, type Hex } from '../../src/codec/index.ts';
import { verifyBatch } from '../../src/crypto/index.ts';
import type { ProvenKey } from '../../src/worker-state/key-page.ts';
import { maxEpochs, mergeEpochs } from '../../src/worker-state/merge-epochs.ts';
import { provenBy, readRecords, type ProvenRecords } from '../../src/worker-state/prove-records.ts';
import { reduceWorker } from '../../src/worker-state/reduce-worker.ts';
import { resolveWorkers, type ResolvedWorker } from '../../src/worker-state/resolve-worker.ts';
import { packRow, workerFields } from '../../src/chain/index.ts';
import { factsOf } from '../../src/worker-state/worker-facts.ts';
import type { EpochKey } from '../../src/worker-state/worker-state.ts';
import { recordOf, testKey, testWorker } from '../chain/support.ts';
import { encodeEndpoints, rowOf } from './support.ts';

const genesisHash: Hex = `0x${'42'.repeat(32)}`;
const worker = testWorker(1);
const other = testWorker(2);
const [keyA, keyB] = [testKey(11), testKey(12)].sort(compareBytes) as [Uint8Array, Uint8Array];

function resolve(endpoints: readonly string[], seen: readonly ProvenKey[] = []): ResolvedWorker {
  const [resolved] = resolveWorkers([{ facts: factsOf(rowOf(worker, { endpoints })), seen }], genesisHash, verifyBatch);
  assert.ok(resolved);
  return resolved;
}

function proveRecords(records: readonly string[]): ProvenRecords {
  const read = readRecords(genesisHash, worker.identity, records);
  const verdicts = verifyBatch(read.claims);
  const { keys, invalid } = provenBy(read, new Set(read.claims.filter((_, i) => verdicts[i] !== true)));
  return { keys: keys.map(({ epoch, ecdhKey }) => proven(epoch, ecdhKey)), invalid };
}

const proven = (epoch: number, ecdhKey: Uint8Array): EpochKey => ({ epoch, ecdhKey, proven: true });

describe('ECDH records', () => {
  const valid = recordOf(worker, genesisHash, 3, keyA);

  it('prove a key where the identity signed it for this chain', () => {
    assert.deepEqual(proveRecords([valid]).keys, [proven(3, keyA)]);
  });

  for (const [what, text] of [
    ['of another identity', recordOf(other, genesisHash, 3, keyA)],
    ['of another chain', recordOf(worker, `0x${'43'.repeat(32)}`, 3, keyA)],
    ['with another epoch', valid.replace('epoch=3', 'epoch=4')],
    ['that are cut', valid.slice(0, -2)],
    ['of another form', 'ecdh:whatever'],
  ] as const)
    it(`prove nothing ${what}`, () => {
      const { keys, invalid } = proveRecords([text]);
      assert.deepEqual(keys, []);
      assert.equal(invalid.size, 1);
    });

  it('count only where they are among the last 8', () => {
    const records = Array.from({ length: 9 }, (_, epoch) => recordOf(worker, genesisHash, epoch + 1, testKey(epoch)));
    assert.deepEqual(
      resolve(['http://a', ...records].reverse()).entry.epochs.map(({ epoch }) => epoch),
      [0, 1, 2, 3, 4, 5, 6, 7, 8],
    );
  });

  it('stay bounded however many there are', () => {
    let verified = 0;
    const counting = (records: readonly unknown[]): boolean[] => {
      verified += records.length;
      return records.map(() => false);
    };
    const resolveCounting = (endpoints: readonly string[]): ResolvedWorker => {
      const raw = { ...workerFields(rowOf(worker)), endpoints: boundEndpoints(encodeEndpoints(endpoints)) };
      return resolveWorkers([{ facts: factsOf(packRow(raw)), seen: [] }], genesisHash, counting)[0]!;
    };
    const junk = Array.from({ length: 10_000 }, (_, i) => valid.replace('epoch=3', `epoch=${i}`));
    const { faults } = resolveCounting(junk.slice(0, 40).concat(Array(10_000).fill('ecdh:x')));
    assert.equal(verified, 0);
    assert.deepEqual([...faults.keys()], ['endpoints left out', 'ecdh:x']);
    resolveCounting(junk);
    assert.equal(verified, 8);
  });
});

describe('the epochs of a worker', () => {
  it('begin with the unproven key of the registration', () => {
    const { entry } = resolve([]);
    assert.deepEqual(entry.current, { epoch: 0, ecdhKey: worker.ecdhKey, proven: false });
    assert.deepEqual(entry.epochs, [entry.current]);
  });

  it('have the registration proven by a record of epoch 0', () => {
    const { current } = resolve([recordOf(worker, genesisHash, 0, worker.ecdhKey)]).entry;
    assert.deepEqual(current, proven(0, worker.ecdhKey));
  });

  it('give the highest as the current one, in whatever order records stand', () => {
    const records = [5, 1, 3].map((epoch) => recordOf(worker, genesisHash, epoch, testKey(epoch)));
    const { entry } = resolve(records);
    assert.equal(entry.current.epoch, 5);
    assert.deepEqual(
      entry.epochs.map(({ epoch, proven: isProven }) => [epoch, isProven]),
      [
        [0, false],
        [1, true],
        [3, true],
        [5, true],
      ],
    );
  });

  it('have the bytewise greater of two proven keys, and report it', () => {
    for (const keys of [
      [keyA, keyB],
      [keyB, keyA],
    ]) {
      const { entry, faults } = resolve(keys.map((key) => recordOf(worker, genesisHash, 1, key)));
      assert.deepEqual(entry.current, proven(1, keyB));
      assert.match([...faults.values()].join(), /two proven keys for epoch 1/);
    }
  });

  const epochKeys = fc.array(
    fc.record({ epoch: fc.nat(80), ecdhKey: fc.uint8Array({ minLength: 32, maxLength: 32 }) }).map((key) => ({
      ...key,
      proven: true,
    })),
    { maxLength: 90 },
  );

  it('never fall back, whatever is shown later', () => {
    fc.assert(
      fc.property(epochKeys, epochKeys, (seen, now) => {
        const before = mergeEpochs(worker.ecdhKey, seen).epochs;
        const after = mergeEpochs(
          worker.ecdhKey,
          before.filter((key) => key.proven),
          now,
        ).epochs;
        const [last, then] = [before.at(-1)!, after.at(-1)!];
        assert.ok(then.epoch >= last.epoch);
        if (then.epoch === last.epoch && last.proven) assert.ok(compareBytes(then.ecdhKey, last.ecdhKey) >= 0);
        assert.ok(after.length <= maxEpochs);
        assert.deepEqual(
          after.map(({ epoch }) => epoch),
          after.map(({ epoch }) => epoch).sort((a, b) => a - b),
        );
      }),
    );
  });

  it('do not depend on the order in which keys were seen', () => {
    fc.assert(
      fc.property(epochKeys, epochKeys, (a, b) => {
        assert.deepEqual(mergeEpochs(worker.ecdhKey, a, b).epochs, mergeEpochs(worker.ecdhKey, b, a).epochs);
      }),
    );
  });
});

describe('changes', () => {
  it('tell of what came and went', () => {
    const entry = resolve(['http://a']);
    assert.deepEqual(reduceWorker(undefined, entry), [{ type: 'added', worker: entry.entry }]);
    assert.deepEqual(reduceWorker(entry, undefined), [{ type: 'removed', worker: entry.entry }]);
    assert.deepEqual(reduceWorker(entry, entry), []);
    assert.deepEqual(reduceWorker(undefined, undefined), []);
  });

  it('tell of every field', () => {
    const before = resolve(['http://a']);
    const changed = (changes: Parameters<typeof rowOf>[1], endpoints = ['http://a']): ResolvedWorker => {
      const facts = factsOf(rowOf(worker, { ...changes, endpoints }));
      return resolveWorkers([{ facts, seen: [] }], genesisHash, verifyBatch)[0]!;
    };
    for (const [after, ...what] of [
      [resolve(['http://b']), 'endpoints'],
      [resolve(['http://a', recordOf(worker, genesisHash, 1, keyA)]), 'keys'],
      [changed({ ecdhKey: keyA }), 'keys'],
      [changed({ runtimeVersion: 2 }), 'runtime-version'],
      [changed({ confidenceLevel: 1 }), 'confidence-level'],
      [changed({ confidenceLevel: 1, ecdhKey: keyA }, []), 'endpoints', 'keys', 'confidence-level'],
    ] as const)
      assert.deepEqual(reduceWorker(before, after), [
        { type: 'changed', worker: after.entry, before: before.entry, what },
      ]);
    const gatekeeper = changed({ gatekeeper: true });
    assert.deepEqual(reduceWorker(before, gatekeeper), [
      { type: 'gatekeeper', worker: gatekeeper.entry, before: before.entry },
    ]);
    // Where both come at once each begins where the one before it ended.
    const both = changed({ gatekeeper: true }, []);
    const between = { ...before.entry, gatekeeper: true };
    assert.deepEqual(reduceWorker(both, before), [
      { type: 'changed', worker: between, before: both.entry, what: ['endpoints'] },
      { type: 'gatekeeper', worker: before.entry, before: between },
    ]);
  });

  it('tell of a fault once', () => {
    const before = resolve(['ecdh:x']);
    const after = resolve(['ecdh:x', 'ecdh:y', 'http://a']);
    assert.deepEqual(
      reduceWorker(undefined, before).map(({ type }) => type),
      ['added', 'invalid-record'],
    );
    assert.deepEqual(
      reduceWorker(before, after).map(({ type }) => type),
      ['changed', 'invalid-record'],
    );
  });

  it('are none where a worker lists several records of one key, once they were seen', () => {
    const records = [keyA, keyA, keyB, keyB].map((key) => recordOf(worker, genesisHash, 3, key));
    assert.equal(new Set(records).size, records.length);
    for (const listed of [records.slice(0, 2), records]) {
      const first = resolve(listed);
      assert.equal(first.isNews, true);
      const later = resolve(listed, first.proven);
      assert.deepEqual([later.isNews, later.proven], [false, first.proven]);
    }
  });

  it('keep the keys of earlier entries', () => {
    const seen = resolve([recordOf(worker, genesisHash, 4, keyA)]).entry.epochs.filter((key) => key.proven);
    const { current } = resolve(['http://replayed'], seen).entry;
    assert.ok(current.epoch === 4 && equalBytes(current.ecdhKey, keyA));
  });
});
