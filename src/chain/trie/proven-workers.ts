import { fromHex, Reader, toHex, type Hex } from '../../codec/index.ts';
import { isRelayError, RelayError } from '../../errors/index.ts';
import type { Head, KnownWorkers, ProvenWorkers, WorkerInfo, WorkersMark } from '../chain.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { RuntimeCache } from '../runtime/runtime-cache.ts';
import { decodeEndpoints } from '../storage/endpoints.ts';
import { idOfKey } from '../storage/fast-hex.ts';
import { layoutOf, type Layout } from '../storage/layout.ts';
import { storagePrefix } from '../storage/storage-key.ts';
import type { StorageReader } from '../storage/storage-reader.ts';
import { emptyMap, type KnownMap } from './known-map.ts';
import { findSubtree, lookUp } from './look-up.ts';
import type { ProofNodes } from './proof-nodes.ts';
import { digitsOf, type ProofReader, type Work } from './proof-reader.ts';
import { goneFrom, readMap } from './proven-map.ts';
import { findChanges, type Done, type MapChanges, type Missing } from './walk-map.ts';

const workersPrefix = digitsOf(storagePrefix('PhalaRegistry', 'Workers'));
const endpointsPrefix = digitsOf(storagePrefix('PhalaRegistry', 'Endpoints'));
const gatekeeperKey = digitsOf(storagePrefix('PhalaRegistry', 'Gatekeeper'));
/** `System.LastRuntimeUpgrade`: the version of the runtime that laid out the state. */
const lastUpgradeKey = digitsOf(storagePrefix('System', 'LastRuntimeUpgrade'));
/** Newer blocks that a snapshot is brought to before it gives up. */
const maxPins = 5;
const keysOfEveryBlock = [workersPrefix, endpointsPrefix, gatekeeperKey, lastUpgradeKey];

/** Where a reading begins. */
export const nothingRead: WorkersMark = { workers: emptyMap, endpoints: emptyMap };

export interface ProvenWorkersParts {
  readonly proofs: ProofReader;
  readonly storage: StorageReader;
  readonly runtimes: RuntimeCache;
  readonly finalizedHead: (signal?: AbortSignal) => Promise<Head>;
}

/** What one proof tells of a block. */
interface ProvenBlockState {
  readonly workers: MapChanges;
  readonly endpoints: MapChanges;
  readonly gatekeeper: Uint8Array | undefined;
  readonly lastUpgrade: Uint8Array | undefined;
}

/** WorkerState by proofs: all of it, and what is different in a later (or earlier) block. */
export function createProvenWorkers(parts: ProvenWorkersParts): ProvenWorkers {
  const { proofs, storage, runtimes } = parts;

  const stateAt = (head: Head, workers: KnownMap, endpoints: KnownMap, signal?: AbortSignal) => {
    const work: Work<ProvenBlockState> = (nodes, root) => {
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
      return {
        done: {
          workers: workerChanges.done,
          endpoints: endpointChanges.done,
          gatekeeper: gatekeeper?.is,
          lastUpgrade: lastUpgrade?.is,
        },
      };
    };
    return proofs.prove(head, keysOfEveryBlock, work, signal);
  };

  const layoutAt = async (head: Head, lastUpgrade: Uint8Array | undefined, signal?: AbortSignal): Promise<Layout> => {
    let runtime: Runtime;
    // Not there before the first block.
    if (lastUpgrade === undefined) runtime = await runtimes.of(head.hash, signal);
    else {
      const read = (): number => new Reader(lastUpgrade, 'It').compactLength();
      runtime = await runtimes.executing(head.hash, decoded(head, 'System.LastRuntimeUpgrade', read));
    }
    return layoutOf(runtime);
  };

  const changes: ProvenWorkers['changes'] = async (mark, head, known, signal) => {
    const state = await stateAt(head, mark.workers, mark.endpoints, signal);
    const gatekeepers = decoded(head, 'PhalaRegistry.Gatekeeper', () => readIds(state.gatekeeper));
    const next: WorkersMark = { workers: state.workers.map, endpoints: state.endpoints.map };
    const infos = new Map<Hex, WorkerInfo | undefined>();
    const endpoints = new Map<Hex, readonly string[]>();
    if (state.workers.parts.length + state.endpoints.parts.length === 0)
      return { mark: next, infos, endpoints, gatekeepers };

    const layout = await layoutAt(head, state.lastUpgrade, signal);
    const workerSlot = (id: Hex): string => digitsOf(layout.workerKey(fromHex(id))).slice(workersPrefix.length);
    const endpointKey = (id: Hex): Hex => layout.endpointsKeyOf(layout.workerKey(fromHex(id)));
    const endpointSlot = (id: Hex): string => digitsOf(endpointKey(id)).slice(endpointsPrefix.length);
    for (const { entries } of state.workers.parts)
      for (const [key, value] of entries) infos.set(idOf(key), decodeInfo(head, layout, key, value));
    for (const { entries } of state.endpoints.parts)
      for (const [key, value] of entries) endpoints.set(idOf(key), decodeEndpoints(value));
    for (const id of goneFrom(state.workers.parts, known, idOf, workerSlot)) infos.set(id, undefined);
    const withEndpoints = { has: (id: Hex) => known.hasEndpoints(id), ids: () => known.ids() };
    for (const id of goneFrom(state.endpoints.parts, withEndpoints, idOf, endpointSlot)) endpoints.set(id, []);

    // What a worker published before it was (again) registered did not change with its registration.
    const wanted = [...infos.keys()].filter(
      (id) => infos.get(id) !== undefined && !known.has(id) && !known.hasEndpoints(id) && !endpoints.has(id),
    );
    const values = wanted.length === 0 ? [] : await proofs.values(head, wanted.map(endpointKey), signal);
    wanted.forEach((id, i) => {
      const value = values[i];
      if (value !== undefined) endpoints.set(id, decodeEndpoints(value));
    });
    return { mark: next, infos, endpoints, gatekeepers };
  };

  const snapshot: ProvenWorkers['snapshot'] = async (pinned, signal) => {
    const [lastUpgrade] = await proofs.values(pinned, [`0x${lastUpgradeKey}`], signal);
    const layout = await layoutAt(pinned, lastUpgrade, signal);
    const infos = new Map<Hex, WorkerInfo>();
    const endpoints = new Map<Hex, readonly string[]>();
    const reader = { proofs, storage };
    const endpointsRead = await readMap(
      reader,
      pinned,
      endpointsPrefix,
      (key, value) => endpoints.set(idOf(key), decodeEndpoints(value)),
      signal,
    );
    const workersRead = await readMap(
      reader,
      pinned,
      workersPrefix,
      (key, value) => infos.set(idOf(key), decodeInfo(pinned, layout, key, value)),
      signal,
    );
    const mark: WorkersMark = { workers: workersRead.map, endpoints: endpointsRead.map };
    const known: KnownWorkers = {
      has: (id) => infos.has(id),
      hasEndpoints: (id) => endpoints.has(id),
      ids: () => new Set([...infos.keys(), ...endpoints.keys()]),
    };
    let isPinned = endpointsRead.isComplete && workersRead.isComplete;
    for (let attempt = 1; ; attempt++) {
      // Where the node dropped the state half way, what was read is brought to a newer block.
      const head = isPinned ? pinned : await parts.finalizedHead(signal);
      try {
        const rest = await changes(mark, head, known, signal);
        putAll(infos, rest.infos, (info): info is WorkerInfo => info !== undefined);
        putAll(endpoints, rest.endpoints, (list): list is readonly string[] => list.length > 0);
        return { head, difference: { mark: rest.mark, infos, endpoints, gatekeepers: rest.gatekeepers } };
      } catch (error) {
        if (!isRelayError(error, 'state-discarded') || attempt === maxPins) throw error;
        isPinned = false;
      }
    }
  };

  return { snapshot, changes };
}

function changesOf(nodes: ProofNodes, root: Uint8Array, prefix: string, known: KnownMap): Done<MapChanges> | Missing {
  const subtree = findSubtree(nodes, root, prefix);
  return subtree === undefined ? { missing: [prefix] } : findChanges(nodes, prefix, subtree.is, known);
}

function putAll<T, Kept extends T>(
  target: Map<Hex, Kept>,
  entries: ReadonlyMap<Hex, T>,
  isKept: (value: T) => value is Kept,
): void {
  for (const [id, value] of entries)
    if (isKept(value)) target.set(id, value);
    else target.delete(id);
}

function idOf(key: string): Hex {
  return idOfKey(`0x${key}`);
}

function decodeInfo(head: Head, layout: Layout, key: string, value: Uint8Array): WorkerInfo {
  return decoded(head, `PhalaRegistry.Workers at 0x${key}`, () => layout.decodeWorkerInfo(value, idOf(key)));
}

function readIds(value: Uint8Array | undefined): ReadonlySet<Hex> {
  if (value === undefined) return new Set();
  const reader = new Reader(value, 'It');
  return new Set(Array.from({ length: reader.compactLength() }, () => toHex(reader.fixed(32))));
}

/** Throws bad-storage, naming what and where. */
function decoded<T>({ hash }: Head, what: string, decode: () => T): T {
  try {
    return decode();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new RelayError('bad-storage', { details: { what, block: hash, reason }, cause: error });
  }
}
