import { fromHex, type Hex } from '../../codec/index.ts';
import { RelayError } from '../../errors/index.ts';
import type { OutboundMessage } from '../messages/messages.ts';
import type { WorkerEssentials } from '../trie/workers-by-proofs.ts';
import type { Runtime, StorageEntry } from '../runtime/runtime.ts';
import { idOfKey } from './fast-hex.ts';
import { decodeForeignMessages, decodeOutboundMessages, hasKnownMessages } from './outbound-messages.ts';
import { mapKeys, storagePrefix } from './storage-key.ts';
import { keyAt, u32At, versionAt } from './worker-row.ts';
import { confidenceReader, workerInfoDecoder, type DecodeWorkerInfo, type ReadConfidence } from './worker-info.ts';

/** Where one runtime keeps what khala-relay reads, and how to decode it. */
export interface Layout {
  readonly workersPrefix: Hex;
  readonly workerKey: (id: Uint8Array) => Hex;
  /** Whether keys of `Workers` and `Endpoints` differ in their prefix only. */
  readonly areMapsAlike: boolean;
  /** From a worker's key in `Workers` to that of its endpoints. */
  readonly endpointsKeyOf: (workerKey: Hex) => Hex;
  readonly ingressKey: (origin: Uint8Array) => Hex;
  readonly decodeWorkerInfo: DecodeWorkerInfo;
  /** -1 where only `decodeWorkerInfo` can tell. */
  readonly readConfidence: ReadConfidence;
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
  const areMapsAlike = workers.hashers.join() === endpoints.hashers.join();
  const readConfidence = confidenceReader(workers);
  const layout: Layout = {
    workersPrefix,
    workerKey: mapKeys(workers),
    areMapsAlike,
    endpointsKeyOf: areMapsAlike
      ? (workerKey) => `${endpointsPrefix}${workerKey.slice(workersPrefix.length)}`
      : (workerKey) => endpointsKey(fromHex(idOfKey(workerKey))),
    ingressKey: mapKeys(ingress),
    decodeWorkerInfo,
    readConfidence,
    workerEssentials: (bytes, key) => {
      const confidenceLevel = readConfidence(bytes, 0, bytes.length);
      return confidenceLevel < 0
        ? decodeWorkerInfo(bytes, idOfKey(key))
        : { ecdhKey: bytes.subarray(keyAt, versionAt), runtimeVersion: u32At(bytes, versionAt), confidenceLevel };
    },
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
