import assert from 'node:assert/strict';
import fc from 'fast-check';
import { boundEndpoints } from '../../src/chain/storage/endpoints.ts';
import { rowAt, RowsWriter } from '../../src/chain/storage/rows-writer.ts';
import { confidenceReader } from '../../src/chain/storage/worker-info.ts';
import { packRow } from '../../src/chain/storage/worker-row.ts';
import type { StorageEntry } from '../../src/chain/runtime/runtime.ts';
import { toHex, Writer, type Hex } from '../../src/codec/index.ts';
import { thrown } from '../support/expect-error.ts';

const head = 'pubkey:[u8;32],ecdh_pubkey:[u8;32],runtime_version:u32,last_updated:u64,operator:?[u8;32]';
const tail = 'confidence_level:u8,initial_score:?u32,features:<u32>';
const shapes = {
  current: `{${head},attestation_provider:?enum{0:Root,1:Ias,2:Dcap},${tail}}`,
  older: `{${head},${tail}}`,
  other: '{something:else}',
};

const key32 = fc.uint8Array({ minLength: 32, maxLength: 32 });
const workers = fc.record({
  identity: key32,
  named: fc.boolean(),
  ecdhKey: key32,
  runtimeVersion: fc.nat(2 ** 32 - 1),
  operator: fc.option(key32),
  provider: fc.option(fc.nat(2)),
  confidenceLevel: fc.nat(255),
  gatekeeper: fc.boolean(),
  endpoints: fc.option(
    fc.oneof(
      fc.array(fc.webUrl(), { maxLength: 4 }).map(listOf),
      fc.array(fc.constant('u'.repeat(3_000)), { maxLength: 4 }).map(listOf),
      fc.uint8Array({ maxLength: 20 }),
    ),
  ),
  asBytes: fc.boolean(),
});
type Worker = typeof workers extends fc.Arbitrary<infer T> ? T : never;

function listOf(texts: readonly string[]): Uint8Array {
  const writer = new Writer().u8(0).compactLength(texts.length);
  for (const text of texts) writer.bytes(new TextEncoder().encode(text));
  return writer.finish();
}

function infoOf(worker: Worker, kind: keyof typeof shapes): Uint8Array {
  const { identity, named, ecdhKey, runtimeVersion, operator, provider, confidenceLevel } = worker;
  const writer = new Writer();
  writer.raw(named ? identity : ecdhKey).raw(ecdhKey);
  writer
    .u32(runtimeVersion)
    .u64(7n)
    .u8(operator === null ? 0 : 1);
  if (operator !== null) writer.raw(operator);
  if (kind === 'current') writer.raw(provider === null ? Uint8Array.of(0) : Uint8Array.of(1, provider));
  return writer.u8(confidenceLevel).u8(0).compactLength(0).finish();
}

function writerFor(kind: keyof typeof shapes, worker?: Worker): RowsWriter {
  const readConfidence = confidenceReader({ valueShape: shapes[kind] } as StorageEntry);
  const layout = {
    readConfidence,
    decodeWorkerInfo: (_: Uint8Array, identity: Hex) => {
      if (worker === undefined) throw new Error('not by hand');
      const { ecdhKey, runtimeVersion, confidenceLevel } = worker;
      const unused = { lastUpdated: 0n, operator: undefined, attestationProvider: undefined };
      return { identity, ecdhKey, runtimeVersion, confidenceLevel, ...unused };
    },
  };
  return new RowsWriter(layout, 1, 0);
}

const keyOf = ({ identity }: Worker): Hex => `0x${'26'.repeat(40)}${toHex(identity).slice(2)}`;

describe('RowsWriter', () => {
  for (const kind of ['current', 'older', 'other'] as const)
    it(`packs what is on chain, from hex and from bytes: the ${kind} layout`, () => {
      fc.assert(
        fc.property(fc.array(fc.option(workers), { maxLength: 12 }), (list) => {
          const rows = writerFor(kind, list.find((worker) => worker !== null) ?? undefined);
          const expected = list.map((worker, i) => {
            // One other layout is as good as another: each of these is the same worker.
            if (worker === null || (kind === 'other' && i !== list.findIndex((each) => each !== null))) {
              rows.addNone();
              return undefined;
            }
            const { identity, ecdhKey, runtimeVersion, confidenceLevel, gatekeeper, endpoints, asBytes } = worker;
            const encoded = (bytes: Uint8Array): Hex | Uint8Array => (asBytes ? bytes : toHex(bytes));
            rows.add({
              key: keyOf(worker),
              info: encoded(infoOf(worker, kind)),
              endpoints: endpoints === null ? undefined : encoded(endpoints),
              gatekeeper,
            });
            const bounded = endpoints === null ? new Uint8Array(0) : boundEndpoints(endpoints);
            return packRow({ identity, ecdhKey, runtimeVersion, confidenceLevel, gatekeeper, endpoints: bounded });
          });
          const packed = rows.finish();
          assert.equal(packed.ends.length, list.length);
          assert.deepEqual(
            list.map((_, i) => rowAt(packed, i)),
            expected,
          );
        }),
      );
    });

  it('keeps little memory for lists that it cut', () => {
    const rows = writerFor('current');
    const [worker] = fc.sample(workers, { seed: 1, numRuns: 1 });
    const endpoints = toHex(listOf(Array<string>(10_000).fill('ecdh:junk')));
    rows.add({ key: keyOf(worker!), info: toHex(infoOf(worker!, 'current')), endpoints, gatekeeper: false });
    assert.ok(rows.finish().bytes.buffer.byteLength < 1_024);
  });

  it('refuses what is not hex', () => {
    const [worker] = fc.sample(workers, { seed: 1, numRuns: 1 });
    const good = toHex(infoOf(worker!, 'current'));
    for (const bad of ['', '0x0', 'zz', `${good}zz`, `0x${good}`, good.slice(2)])
      thrown(() => {
        const info = bad as Hex;
        writerFor('current').add({ key: keyOf(worker!), info, endpoints: undefined, gatekeeper: false });
      }, 'bad-hex');
    for (const list of ['0x0', '0xzz', '00'])
      thrown(() => {
        const endpoints = list as Hex;
        writerFor('current').add({ key: keyOf(worker!), info: good, endpoints, gatekeeper: false });
      }, 'bad-hex');
    const key: Hex = `0x${'zz'.repeat(32)}`;
    thrown(() => writerFor('current').add({ key, info: good, endpoints: undefined, gatekeeper: false }), 'bad-hex');
  });
});
