import { fromHex, type Hex } from '../../codec/index.ts';
import { RelayError } from '../../errors/index.ts';
import type { OutboundMessage, WorkerEssentials } from '../chain.ts';
import type { Runtime, StorageEntry } from '../runtime/runtime.ts';
import { idOfKey } from './fast-hex.ts';
import { decodeForeignMessages, decodeOutboundMessages, hasKnownMessages } from './outbound-messages.ts';
import { mapKeys, storagePrefix } from './storage-key.ts';
import { essentialsReader, workerInfoDecoder, type DecodeWorkerInfo } from './worker-info.ts';

/** Where one runtime keeps what khala-relay reads, and how to decode it. */
export interface Layout {
  readonly workersPrefix: Hex;
  readonly workerKey: (id: Uint8Array) => Hex;
  /** From a worker's key in `Workers` to that of its endpoints. */
  readonly endpointsKeyOf: (workerKey: Hex) => Hex;
  readonly ingressKey: (origin: Uint8Array) => Hex;
  readonly decodeWorkerInfo: DecodeWorkerInfo;
  /** `key` is that of the entry. `ecdhKey` may be a view of the bytes. */
  readonly workerEssentials: (bytes: Uint8Array, key: Hex) => WorkerEssentials;
  readonly decodeMessages: (bytes: Uint8Array) => OutboundMessage[];
}

const layouts = new WeakMap<Runtime, Layout>();

/** Throws unsupported-runtime where the chain has no such storage. */
export function layoutOf(runtime: Runtime): Layout {
  const known = layouts.get(runtime);
  if (known !== undefined) return known;
  const workers = entryOf(runtime, 'PhalaRegistry', 'Workers');
  const endpoints = entryOf(runtime, 'PhalaRegistry', 'Endpoints');
  const ingress = entryOf(runtime, 'PhalaMq', 'OffchainIngress');
  const messages = entryOf(runtime, 'PhalaMq', 'OutboundMessages');
  const workersPrefix = storagePrefix('PhalaRegistry', 'Workers');
  const endpointsPrefix = storagePrefix('PhalaRegistry', 'Endpoints');
  const endpointsKey = mapKeys(endpoints);
  const decodeWorkerInfo = workerInfoDecoder(runtime, workers);
  const essentials = essentialsReader(workers);
  const layout: Layout = {
    workersPrefix,
    workerKey: mapKeys(workers),
    endpointsKeyOf:
      workers.hashers.join() === endpoints.hashers.join()
        ? (workerKey) => `${endpointsPrefix}${workerKey.slice(workersPrefix.length)}`
        : (workerKey) => endpointsKey(fromHex(idOfKey(workerKey))),
    ingressKey: mapKeys(ingress),
    decodeWorkerInfo,
    workerEssentials: (bytes, key) => essentials(bytes) ?? decodeWorkerInfo(bytes, idOfKey(key)),
    decodeMessages: hasKnownMessages(messages)
      ? (bytes) => decodeOutboundMessages(bytes)
      : (bytes) => decodeForeignMessages(runtime, messages, bytes),
  };
  layouts.set(runtime, layout);
  return layout;
}

function entryOf(runtime: Runtime, pallet: string, name: string): StorageEntry {
  const entry = runtime.storage(pallet, name);
  if (entry !== undefined) return entry;
  const { specName, specVersion } = runtime.version;
  throw new RelayError('unsupported-runtime', {
    details: { reason: `${specName} ${specVersion} has no storage ${pallet}.${name}` },
  });
}
