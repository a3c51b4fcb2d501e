import { abortable } from '../chain/index.ts';
import type { WorkerTable } from './worker-table.ts';
import type { At, WorkerEntry, WorkerStateView } from './worker-state.ts';
import type { Hex } from '../codec/index.ts';

/** What consumers see of the table: reads only. */
export function createView(table: WorkerTable, at: () => At, ready: Promise<void>): WorkerStateView {
  function* entries(): Generator<[Hex, WorkerEntry], undefined> {
    for (const row of table.rows()) {
      const resolved = table.resolvedRow(row);
      if (resolved !== undefined) yield [resolved.entry.identity, resolved.entry];
    }
  }
  let isReady = false;
  ready.then(
    () => (isReady = true),
    () => undefined,
  );
  function* values(): Generator<WorkerEntry, undefined> {
    for (const [, entry] of entries()) yield entry;
  }
  const view: WorkerStateView = {
    get size() {
      return table.size;
    },
    get at() {
      return at();
    },
    get: (id) => table.resolved(lower(id))?.entry,
    load: (_, signal) => (isReady ? Promise.resolve() : abortable(ready, signal)),
    has: (id) => table.row(lower(id)) !== undefined,
    byEcdhKey: (ecdhKey) => table.byEcdhKey(ecdhKey),
    byEndpoint: (url) => table.byUrl(url),
    keys: () => table.ids(),
    values,
    entries,
    forEach: (visit, self) => {
      for (const [id, entry] of entries()) visit.call(self, entry, id, view);
    },
    [Symbol.iterator]: entries,
  };
  return view;
}

function lower(id: Hex): Hex {
  return id.toLowerCase() as Hex;
}
