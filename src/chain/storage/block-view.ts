import { fromHex, Reader, toHex, type Hex } from '../../codec/index.ts';
import { RelayError } from '../../errors/index.ts';
import type { BlockView } from '../chain.ts';
import type { WorkerRow, WorkerRows } from './worker.ts';
import type { ReadAs } from './read-at.ts';
import type { BlockStorage } from './block-storage.ts';
import type { BlockBody, ReadBody } from './body-reader.ts';
import { boundEndpoints, readEndpoints } from './endpoints.ts';
import { idOfKey } from './fast-hex.ts';
import { inWindow } from './in-window.ts';
import { freeBalanceIn } from '../submit/format-balance.ts';
import { messageCallsOf } from '../submit/message-calls.ts';
import { ingressSequence } from './ingress-sequence.ts';
import { layoutOf, type Layout } from './layout.ts';
import { rowAt, RowsWriter } from './rows-writer.ts';
import { mapKeys, storagePrefix } from './storage-key.ts';
import { pageSize, requestsInFlight } from './storage-reader.ts';
import { touchedWorkers } from './touched-workers.ts';

const gatekeeperKey = storagePrefix('PhalaRegistry', 'Gatekeeper');
/** A page of records takes two requests. */
const pagesInFlight = requestsInFlight / 2;
const publicKeyLength = 32;

export function createBlockView(
  storage: BlockStorage,
  { readAs, bodyOf }: { readonly readAs: ReadAs; readonly bodyOf: ReadBody },
): BlockView {
  const { hash } = storage;
  const layout = async (signal?: AbortSignal): Promise<Layout> => layoutOf(await storage.runtime(signal));

  const body = async (signal?: AbortSignal): Promise<BlockBody> => {
    const found = await bodyOf(hash, signal);
    if (found !== undefined) return found;
    throw new RelayError('state-discarded', { details: { block: hash, reason: 'no endpoint has its extrinsics' } });
  };

  const gatekeepers = async (signal?: AbortSignal): Promise<ReadonlySet<Hex>> => {
    const [value] = await storage.values([gatekeeperKey], signal);
    return new Set(value === undefined ? [] : storage.decode('PhalaRegistry.Gatekeeper', () => readKeys(value)));
  };

  /** By the keys of the workers in `Workers`. */
  const rowsOf = async (
    keys: readonly Hex[],
    among: ReadonlySet<Hex>,
    known: Layout,
    signal?: AbortSignal,
  ): Promise<WorkerRows> => {
    const [infos, lists] = await Promise.all([
      storage.hexValues(keys, signal),
      storage.hexValues(keys.map(known.endpointsKeyOf), signal),
    ]);
    const endpointBytes = lists.reduce((sum, list) => sum + (list?.length ?? 0) / 2, 0);
    const rows = new RowsWriter(known, keys.length, endpointBytes);
    keys.forEach((key, i) => {
      const info = infos[i];
      if (info === undefined) {
        rows.addNone();
        return;
      }
      try {
        rows.add({ key, info, endpoints: lists[i], gatekeeper: among.size > 0 && among.has(idOfKey(key)) });
      } catch (error) {
        throw storage.unreadable(`PhalaRegistry.Workers at ${key}`, error);
      }
    });
    return rows.finish();
  };

  const view: BlockView = {
    hash,
    outboundMessages: async (signal) => {
      const value = await storage.plain('PhalaMq', 'OutboundMessages', signal);
      if (value === undefined) return [];
      const known = await layout(signal);
      return storage.decode('PhalaMq.OutboundMessages', () => known.decodeMessages(value));
    },
    ingressSequence: (worker, signal) =>
      ingressSequence(storage, worker, (key) => storage.values([key], signal), signal),
    messageCalls: async (signal) => messageCallsOf(await storage.runtime(signal)),
    contractKey: async (contract, signal) => {
      const entry = (await storage.runtime(signal)).storage('PhalaRegistry', 'ContractKeys');
      if (entry === undefined) return undefined;
      const [value] = await storage.values([mapKeys(entry)(fromHex(contract, 'The contract'))], signal);
      return value === undefined
        ? undefined
        : storage.decode('PhalaRegistry.ContractKeys', () => new Reader(value, 'It').fixed(publicKeyLength));
    },
    freeBalance: async (account, signal) => {
      const entry = (await storage.runtime(signal)).storage('System', 'Account');
      if (entry === undefined) return undefined;
      const [value] = await storage.values([mapKeys(entry)(fromHex(account, 'The account'))], signal);
      return storage.decode('System.Account', () => freeBalanceIn(value));
    },
    worker: async (id, signal) => {
      const known = await layout(signal);
      const key = known.workerKey(fromHex(id, 'The id'));
      const [bytes, list] = await storage.values([key, known.endpointsKeyOf(key)], signal);
      if (bytes === undefined) return undefined;
      const info = storage.decode(`PhalaRegistry.Workers at ${key}`, () => known.decodeWorkerInfo(bytes, idOfKey(key)));
      const gatekeeper = (await gatekeepers(signal)).has(info.identity);
      return {
        info,
        endpoints: list === undefined ? [] : readEndpoints(boundEndpoints(list)).texts,
        gatekeeper,
      };
    },
    workerIds: async (signal) => {
      const ids: Hex[] = [];
      const { workersPrefix } = await layout(signal);
      for await (const page of storage.keyPages(workersPrefix, signal)) ids.push(...page.map(idOfKey));
      return ids;
    },
    workers: async (ids, signal) => {
      const known = await layout(signal);
      const among = await gatekeepers(signal);
      const keys = ids.map((id) => known.workerKey(fromHex(id, 'The id')));
      const pages: Hex[][] = [];
      for (let start = 0; start < keys.length; start += pageSize) pages.push(keys.slice(start, start + pageSize));
      const found: (WorkerRow | undefined)[] = [];
      for await (const rows of inWindow(pages, pagesInFlight, (part) => rowsOf(part, among, known, signal)))
        for (let i = 0; i < rows.ends.length; i++) found.push(rowAt(rows, i)?.slice());
      return found;
    },
    async *allWorkers(signal) {
      const known = await layout(signal);
      const among = await gatekeepers(signal);
      const keys = storage.keyPages(known.workersPrefix, signal);
      for await (const rows of inWindow(keys, pagesInFlight, (part) => rowsOf(part, among, known, signal))) {
        // At one hash: whoever lists a key without having its value makes keys up, and may do so for ever.
        if (rows.ends.some((end, i) => end === (rows.ends[i - 1] ?? 0)))
          throw storage.unreadable('PhalaRegistry.Workers', 'the node lists keys that have no value');
        yield rows;
      }
    },
    gatekeepers: async (signal) => [...(await gatekeepers(signal))],
    extrinsics: async (signal) => (await body(signal)).extrinsics,
    body,
    touchedWorkers: (signal) => touchedWorkers(storage, readAs, signal),
    timestamp: async (signal) => {
      const [value] = await storage.values([storagePrefix('Timestamp', 'Now')], signal);
      return value === undefined ? 0n : storage.decode('Timestamp.Now', () => new Reader(value, 'It').u64());
    },
  };
  return view;
}

function readKeys(value: Uint8Array): Hex[] {
  const reader = new Reader(value, 'It');
  return Array.from({ length: reader.compactLength() }, () => toHex(reader.fixed(32)));
}
