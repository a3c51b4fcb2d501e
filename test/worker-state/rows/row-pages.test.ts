import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { WorkerFields } from '../../../src/chain/index.ts';
import { concatBytes, fromHex, toHex, type Hex } from '../../../src/codec/index.ts';
import { RowCollector } from '../../../src/worker-state/rows/row-collector.ts';
import { RowPage } from '../../../src/worker-state/rows/row-page.ts';
import { RowPages } from '../../../src/worker-state/rows/row-pages.ts';
import {
  endpointsOf,
  hasEndpoints,
  idOf,
  isPlain,
  packRow,
  workerFields,
  type WorkerRow,
} from '../../../src/chain/index.ts';
import { encodeEndpoints } from '../support.ts';

/** Few different beginnings, so that ids are close to each other. */
const ids: fc.Arbitrary<Hex> = fc
  .tuple(fc.constantFrom(0, 1, 255), fc.constantFrom(0, 7), fc.constantFrom(0, 255), fc.nat(3))
  .map(([first, sixth, seventh, last]) => {
    const id = new Uint8Array(32);
    id[0] = first;
    id[5] = sixth;
    id[6] = seventh;
    id[31] = last;
    return toHex(id);
  });
/** Large enough that a few rows fill a page. */
const urls = fc.array(
  fc.nat(4_000).map((length) => 'u'.repeat(length)),
  { maxLength: 3 },
);
const fields = fc.record({
  ecdhKey: fc.uint8Array({ minLength: 32, maxLength: 32 }),
  runtimeVersion: fc.nat(2 ** 32 - 1),
  confidenceLevel: fc.nat(255),
  gatekeeper: fc.boolean(),
});
const worker = (
  id: Hex,
  endpoints: readonly string[],
  rest: Omit<WorkerFields, 'identity' | 'endpoints'>,
): WorkerFields => ({
  ...rest,
  identity: fromHex(id),
  endpoints: endpoints.length === 0 ? new Uint8Array(0) : encodeEndpoints(endpoints),
});
const workers: fc.Arbitrary<WorkerFields> = fc.tuple(ids, urls, fields).map((all) => worker(...all));

function endsOf(rows: readonly WorkerRow[]): Uint32Array {
  let end = 0;
  return Uint32Array.from(rows, ({ length }) => (end += length));
}

function rowsOf(pages: RowPages): [Hex, Hex][] {
  return Array.from(pages.rows(), (row) => [idOf(row), toHex(row)]);
}

function sortedRows(model: ReadonlyMap<Hex, WorkerRow>): [Hex, Hex][] {
  return [...model].map(([id, row]): [Hex, Hex] => [id, toHex(row)]).sort(([a], [b]) => (a < b ? -1 : 1));
}

describe('a row', () => {
  it('holds all of a worker', () => {
    fc.assert(
      fc.property(workers, (raw) => {
        const row = packRow(raw);
        assert.deepEqual(workerFields(row), raw);
        assert.equal(hasEndpoints(row), raw.endpoints.length > 0);
      }),
    );
  });

  it('tells URLs from records', () => {
    const rest = { ecdhKey: new Uint8Array(32), runtimeVersion: 0, confidenceLevel: 0, gatekeeper: false };
    const row = packRow(worker(`0x${'ab'.repeat(32)}`, ['http://a', 'ecdh:1', 'http://ecdh:2'], rest));
    assert.deepEqual(endpointsOf(row), { urls: ['http://a', 'http://ecdh:2'], records: ['ecdh:1'], faults: new Map() });
    assert.ok(!isPlain(row));
    const without = packRow(worker(`0x${'ab'.repeat(32)}`, ['http://a'], rest));
    assert.ok(isPlain(without));
    assert.deepEqual(endpointsOf(without), { urls: ['http://a'], records: [], faults: new Map() });
  });
});

describe('rows in pages', () => {
  it('are in the order of their ids however they come; of two the last counts', () => {
    fc.assert(
      fc.property(fc.array(workers, { maxLength: 60 }), (list) => {
        const collector = new RowCollector();
        const model = new Map<Hex, WorkerRow>();
        for (let start = 0; start < list.length; start += 7) {
          const rows = list.slice(start, start + 7).map(packRow);
          // One of no bytes stands for nobody.
          rows.splice(start % 5, 0, new Uint8Array(0));
          collector.add({ bytes: concatBytes(...rows), ends: endsOf(rows) });
        }
        for (const raw of list) model.set(toHex(raw.identity), packRow(raw));
        const pages = collector.finish();
        assert.equal(pages.size, model.size);
        assert.deepEqual(rowsOf(pages), sortedRows(model));
        for (const { page } of pages.pages) assert.ok(RowPage.isSound(page.bytes));
      }),
    );
  });

  it('stay what a map would hold through any changes, and only pages that changed are made anew', () => {
    const change = fc.oneof(
      { weight: 3, arbitrary: workers.map((raw): [Hex, WorkerRow | undefined] => [toHex(raw.identity), packRow(raw)]) },
      { weight: 2, arbitrary: ids.map((id): [Hex, WorkerRow | undefined] => [id, undefined]) },
    );
    fc.assert(
      fc.property(fc.array(fc.array(change, { maxLength: 12 }), { maxLength: 12 }), (steps) => {
        let pages = RowPages.empty;
        const model = new Map<Hex, WorkerRow>();
        const stored = new Map<Hex, RowPage>();
        for (const step of steps) {
          const changes = new Map(step);
          for (const [id, row] of changes)
            if (row === undefined) model.delete(id);
            else model.set(id, row);
          const merged = pages.merge(changes);
          const before = new Set(pages.pages);
          pages = merged.pages;
          for (const placed of pages.pages) assert.ok(before.has(placed) || merged.written.includes(placed));
          for (const from of merged.removed) stored.delete(toHex(from));
          for (const { from, page } of merged.written) stored.set(toHex(from), page);
          assert.equal(pages.size, model.size);
          assert.deepEqual(rowsOf(pages), sortedRows(model));
          for (const [id, row] of model) assert.deepEqual(pages.find(fromHex(id)), row);
          for (const [id] of changes) assert.equal(pages.find(fromHex(id)) === undefined, !model.has(id));
          // What a store would have, which keeps pages by where they begin.
          const kept = [...stored].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, page]) => page);
          assert.deepEqual(
            kept.map(({ bytes }) => bytes),
            pages.pages.map(({ page }) => page.bytes),
          );
        }
      }),
      { numRuns: 200 },
    );
  });

  it('are not taken from bytes that are no page', () => {
    const page = RowPage.of([
      packRow(worker(`0x${'ab'.repeat(32)}`, ['http://a'], { ...workerFields(new Uint8Array(70)) })),
    ]);
    assert.ok(RowPage.isSound(page.bytes));
    for (let length = 0; length < page.bytes.length; length++)
      assert.ok(!RowPage.isSound(page.bytes.subarray(0, length)), `${length} bytes`);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 90 }), (bytes) => {
        if (!RowPage.isSound(bytes)) return;
        const read = new RowPage(bytes);
        assert.equal([...read.rows()].length, read.length);
      }),
    );
  });
});
