import { fromHex, Reader, toHex, type Hex } from '../../codec/index.ts';
import { RelayError } from '../../errors/index.ts';
import type { Head } from '../head/head.ts';
import type { ProvenWorkers, WorkerEssentials, WorkersMark } from './workers-by-proofs.ts';
import type { WorkerRows } from '../storage/worker.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { RuntimeSource } from '../runtime/runtime-cache.ts';
import { boundEndpoints } from '../storage/endpoints.ts';
import { idOfKey } from '../storage/fast-hex.ts';
import { layoutOf, type Layout } from '../storage/layout.ts';
import { RowsWriter } from '../storage/rows-writer.ts';
import { storagePrefix } from '../storage/storage-key.ts';
import type { KeyPage, StorageReader } from '../storage/storage-reader.ts';
import { emptyMap, type KnownMap } from './known-map.ts';
import { findSubtree, lookUp, sameSubtree, type Subtree } from './look-up.ts';
import type { ProofNodes } from './proof-nodes.ts';
import { digitsOf, type ProofReader, type Work } from './proof-reader.ts';
import { goneFrom, readPair, type Entries } from './proven-map.ts';
import { findChanges, type Done, type MapChanges, type Missing } from './walk-map.ts';

const workersPrefix = digitsOf(storagePrefix('PhalaRegistry', 'Workers'));
const endpointsPrefix = digitsOf(storagePrefix('PhalaRegistry', 'Endpoints'));
const gatekeeperKey = digitsOf(storagePrefix('PhalaRegistry', 'Gatekeeper'));
/** What all keys of the pallet begin with: `twox_128` of its name. */
const registryPrefix = workersPrefix.slice(0, 32);
/** `System.LastRuntimeUpgrade`: the version of the runtime that laid out the state. */
const lastUpgradeKey = digitsOf(storagePrefix('System', 'LastRuntimeUpgrade'));
const noEndpoints = new Uint8Array(0);
/** Pages of keys that are listed where a reading goes on: one who makes keys up could list them for ever. */
const maxUnreadPages = 100;
/** What is looked at where something of the pallet is different. */
const keysOfChange = [workersPrefix, endpointsPrefix, gatekeeperKey, lastUpgradeKey];

/** Where a reading begins: a comparison with it brings everything. */
export const nothingRead: WorkersMark = {
  workers: { ...emptyMap, unreadAfter: '' },
  endpoints: { ...emptyMap, unreadAfter: '' },
  orphans: new Set(),
};

export interface ProvenWorkersParts {
  readonly proofs: ProofReader;
  readonly storage: StorageReader;
  readonly runtimes: RuntimeSource;
}

/** What one proof tells of a block. */
interface ProvenBlockState {
  readonly registry: Subtree | undefined;
  readonly workers: MapChanges;
  readonly endpoints: MapChanges;
  readonly gatekeeper: Uint8Array | undefined;
  readonly lastUpgrade: Uint8Array | undefined;
}

/** The workers of a range of keys. */
interface Joined {
  readonly rows: WorkerRows;
  readonly orphans: readonly Hex[];
}

/** WorkerState by proofs: all of it, and what is different in a later (or earlier) block. */
export function createProvenWorkers(parts: ProvenWorkersParts): ProvenWorkers {
  const { proofs, storage, runtimes } = parts;

  /** What a node lists of the part of a map that was not read yet. Without it that part would be found branch by branch. */
  const unread = async (head: Head, prefix: string, { unreadAfter }: KnownMap, signal?: AbortSignal) => {
    const pages: KeyPage[] = [];
    if (unreadAfter === undefined) return pages;
    const after: Hex | undefined = unreadAfter === '' ? undefined : `0x${unreadAfter}`;
    for await (const page of storage.keyPages(`0x${prefix}`, head.hash, signal, after))
      if (pages.push(page) === maxUnreadPages) break;
    return pages;
  };

  const unreadOf = async (head: Head, { workers, endpoints }: WorkersMark, signal?: AbortSignal) => [
    ...(await unread(head, workersPrefix, workers, signal)),
    ...(await unread(head, endpointsPrefix, endpoints, signal)),
  ];

  /**
   * undefined where all of the pallet is as it was: most blocks show that with the first nodes of a proof. `pages`: keys that
   * are looked at too, and have to be there.
   */
  const stateAt = (
    head: Head,
    { workers, endpoints, registry: before }: WorkersMark,
    pages: readonly KeyPage[],
    signal?: AbortSignal,
  ): Promise<ProvenBlockState | undefined> => {
    const work: Work<ProvenBlockState | undefined> = (nodes, root) => {
      const registry = findSubtree(nodes, root, registryPrefix);
      if (registry === undefined) return { missing: [registryPrefix] };
      if (before !== undefined && sameSubtree(registry.is, before)) return { done: undefined };
      const workerChanges = changesOf(nodes, root, workersPrefix, workers);
      const endpointChanges = changesOf(nodes, root, endpointsPrefix, endpoints);
      const gatekeeper = lookUp(nodes, root, gatekeeperKey);
      const lastUpgrade = lookUp(nodes, root, lastUpgradeKey);
      const missing = [
        ...('missing' in workerChanges ? workerChanges.missing : []),
        ...('missing' in endpointChanges ? endpointChanges.missing : []),
        ...(gatekeeper === undefined ? [gatekeeperKey] : []),
        ...(lastUpgrade === undefined ? [lastUpgradeKey] : []),
      ];
      if ('missing' in workerChanges || 'missing' in endpointChanges || missing.length > 0) return { missing };
      for (const { keys, url } of pages) {
        const invented = keys.find((key) => lookUp(nodes, root, digitsOf(key))?.is === undefined);
        if (invented !== undefined) proofs.blame(url, head.hash, `it lists the key ${invented}, which is not there`);
      }
      return {
        done: {
          registry: registry.is && { ...registry.is, merkleValue: registry.is.merkleValue.slice() },
          workers: workerChanges.done,
          endpoints: endpointChanges.done,
          gatekeeper: gatekeeper?.is,
          lastUpgrade: lastUpgrade?.is,
        },
      };
    };
    const listed = pages.flatMap(({ keys }) => keys.map(digitsOf));
    const wanted = before === undefined ? [...keysOfChange, ...listed] : [registryPrefix];
    return proofs.prove(head, wanted, work, signal);
  };

  const layoutAt = async (head: Head, lastUpgrade: Uint8Array | undefined, signal?: AbortSignal): Promise<Layout> => {
    let runtime: Runtime;
    // Not there before the first block.
    if (lastUpgrade === undefined) runtime = await runtimes.of(head.hash, signal);
    else {
      const read = (): number => new Reader(lastUpgrade, 'It').compactLength();
      runtime = await runtimes.executing(head, decoded(head, 'System.LastRuntimeUpgrade', read), signal);
    }
    return layoutOf(runtime);
  };

  const changes: ProvenWorkers['changes'] = async (mark, head, known, signal) => {
    const isRead = mark.workers.unreadAfter === undefined && mark.endpoints.unreadAfter === undefined;
    // Not for nothing: a node that gives no proofs says so before it lists all keys.
    if (!isRead) await proofs.values(head, [`0x${gatekeeperKey}`], signal);
    const state = await stateAt(head, mark, isRead ? [] : await unreadOf(head, mark, signal), signal);
    if (state === undefined) return undefined;
    const gatekeepers = decoded(head, 'PhalaRegistry.Gatekeeper', () => readIds(state.gatekeeper));
    const maps = { workers: state.workers.map, endpoints: state.endpoints.map, registry: state.registry };
    const infos = new Map<Hex, WorkerEssentials | undefined>();
    const endpoints = new Map<Hex, Uint8Array>();
    if (state.workers.parts.length + state.endpoints.parts.length === 0)
      return { mark: { ...maps, orphans: mark.orphans }, infos, endpoints, gatekeepers };

    const layout = await layoutAt(head, state.lastUpgrade, signal);
    const workerSlot = (id: Hex): string => digitsOf(layout.workerKey(fromHex(id))).slice(workersPrefix.length);
    const endpointKey = (id: Hex): Hex => layout.endpointsKeyOf(layout.workerKey(fromHex(id)));
    const endpointSlot = (id: Hex): string => digitsOf(endpointKey(id)).slice(endpointsPrefix.length);
    for (const { entries } of state.workers.parts)
      for (const [key, value] of entries) infos.set(idOf(key), essentials(head, layout, key, value));
    for (const { entries } of state.endpoints.parts)
      for (const [key, value] of entries) endpoints.set(idOf(key), boundEndpoints(value));
    for (const id of goneFrom(state.workers.parts, known, idOf, workerSlot)) infos.set(id, undefined);
    const hadEndpoints = (id: Hex): boolean => known.hasEndpoints(id) || mark.orphans.has(id);
    const listed = { has: hadEndpoints, ids: () => [...known.ids(), ...mark.orphans] };
    for (const id of goneFrom(state.endpoints.parts, listed, idOf, endpointSlot)) endpoints.set(id, noEndpoints);

    // What a worker published before it was (again) registered did not change with its registration.
    const isRegistered = (id: Hex): boolean => (infos.has(id) ? infos.get(id) !== undefined : known.has(id));
    const adopted = [...infos.keys()].filter((id) => isRegistered(id) && mark.orphans.has(id) && !endpoints.has(id));
    const values = adopted.length === 0 ? [] : await proofs.values(head, adopted.map(endpointKey), signal);
    adopted.forEach((id, i) => {
      const value = values[i];
      if (value !== undefined) endpoints.set(id, boundEndpoints(value));
    });
    const hasEndpoints = (id: Hex): boolean =>
      endpoints.has(id) ? endpoints.get(id) !== noEndpoints : hadEndpoints(id);
    const orphans = new Set(mark.orphans);
    for (const id of [...infos.keys(), ...endpoints.keys()])
      if (!isRegistered(id) && hasEndpoints(id)) orphans.add(id);
      else orphans.delete(id);
    return { mark: { ...maps, orphans }, infos, endpoints, gatekeepers };
  };

  const snapshot: ProvenWorkers['snapshot'] = async (head, take, signal) => {
    const [lastUpgrade, listed] = await proofs.values(head, [`0x${lastUpgradeKey}`, `0x${gatekeeperKey}`], signal);
    const gatekeepers = decoded(head, 'PhalaRegistry.Gatekeeper', () => readIds(listed));
    const layout = await layoutAt(head, lastUpgrade, signal);
    if (!layout.areMapsAlike)
      throw await proofs.unavailable('the runtime hashes the keys of the two maps in different ways', signal);
    const rowsOf = (infos: Entries, lists: Entries): Joined => {
      const rows = new RowsWriter(
        layout,
        infos.length,
        lists.reduce((sum, [, list]) => sum + list.length, 0),
      );
      const orphans: Hex[] = [];
      let next = 0;
      for (const [digits, info] of infos) {
        const key: Hex = `0x${digits}`;
        const end = digits.slice(workersPrefix.length);
        // Both are in order.
        let list = lists[next];
        for (; list !== undefined && endOf(list) < end; list = lists[++next]) orphans.push(idOf(list[0]));
        const endpoints = list !== undefined && endOf(list) === end ? list[1] : undefined;
        if (endpoints !== undefined) next += 1;
        const gatekeeper = gatekeepers.size > 0 && gatekeepers.has(idOfKey(key));
        try {
          rows.add({ key, info, endpoints, gatekeeper });
        } catch (error) {
          throw unreadable(head, `PhalaRegistry.Workers at ${key}`, error);
        }
      }
      for (const [key] of lists.slice(next)) orphans.push(idOf(key));
      return { rows: rows.finish(), orphans };
    };
    const maps = { first: workersPrefix, second: endpointsPrefix };
    const orphans = new Set<Hex>();
    const takeJoined = (joined: Joined): void => {
      joined.orphans.forEach((id) => orphans.add(id));
      take(joined.rows);
    };
    const read = await readPair({ proofs, storage }, head, maps, rowsOf, takeJoined, signal);
    return { mark: { workers: read.first, endpoints: read.second, orphans }, gatekeepers, isComplete: read.isComplete };
  };

  const worker: ProvenWorkers['worker'] = async (head, id, signal) => {
    const [lastUpgrade, listed] = await proofs.values(head, [`0x${lastUpgradeKey}`, `0x${gatekeeperKey}`], signal);
    const gatekeepers = decoded(head, 'PhalaRegistry.Gatekeeper', () => readIds(listed));
    const layout = await layoutAt(head, lastUpgrade, signal);
    const key = layout.workerKey(fromHex(id, 'The id'));
    const [info, endpoints] = await proofs.values(head, [key, layout.endpointsKeyOf(key)], signal);
    if (info === undefined) return undefined;
    const rows = new RowsWriter(layout, 1, endpoints?.length ?? 0);
    const gatekeeper = gatekeepers.has(idOfKey(key));
    decoded(head, `PhalaRegistry.Workers at ${key}`, () => rows.add({ key, info, endpoints, gatekeeper }));
    return rows.finish().bytes;
  };

  return { snapshot, changes, worker };
}

function changesOf(nodes: ProofNodes, root: Uint8Array, prefix: string, known: KnownMap): Done<MapChanges> | Missing {
  const subtree = findSubtree(nodes, root, prefix);
  return subtree === undefined ? { missing: [prefix] } : findChanges(nodes, prefix, subtree.is, known);
}

function idOf(key: string): Hex {
  return idOfKey(`0x${key}`);
}

/** What follows the prefix. */
function endOf([key]: Entries[number]): string {
  return key.slice(endpointsPrefix.length);
}

function essentials(head: Head, layout: Layout, key: string, value: Uint8Array): WorkerEssentials {
  try {
    return layout.workerEssentials(value, `0x${key}`);
  } catch (error) {
    throw unreadable(head, `PhalaRegistry.Workers at 0x${key}`, error);
  }
}

function readIds(value: Uint8Array | undefined): ReadonlySet<Hex> {
  if (value === undefined) return new Set();
  const reader = new Reader(value, 'It');
  return new Set(Array.from({ length: reader.compactLength() }, () => toHex(reader.fixed(32))));
}

/** Throws bad-storage, naming what and where. */
function decoded<T>(head: Head, what: string, decode: () => T): T {
  try {
    return decode();
  } catch (error) {
    throw unreadable(head, what, error);
  }
}

function unreadable({ hash }: Head, what: string, error: unknown): RelayError {
  const reason = error instanceof Error ? error.message : String(error);
  return new RelayError('bad-storage', {
    details: { what, block: hash, reason },
    cause: error,
  });
}
