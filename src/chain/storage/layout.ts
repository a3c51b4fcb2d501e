import type { Hex } from '../../codec/index.ts';
import { RelayError } from '../../errors/index.ts';
import type { OutboundMessage } from '../chain.ts';
import type { Runtime, StorageEntry } from '../runtime/runtime.ts';
import { decodeForeignMessages, decodeOutboundMessages, hasKnownMessages } from './outbound-messages.ts';
import { mapKey, storagePrefix } from './storage-key.ts';
import { workerInfoDecoder, type DecodeWorkerInfo } from './worker-info.ts';

/** Where one runtime keeps what khala-relay reads, and how to decode it. */
export interface Layout {
  readonly workersPrefix: Hex;
  readonly workerKey: (id: Uint8Array) => Hex;
  readonly endpointsKey: (id: Uint8Array) => Hex;
  readonly ingressKey: (origin: Uint8Array) => Hex;
  readonly decodeWorkerInfo: DecodeWorkerInfo;
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
  const layout: Layout = {
    workersPrefix: storagePrefix('PhalaRegistry', 'Workers'),
    workerKey: (id) => mapKey(workers, id),
    endpointsKey: (id) => mapKey(endpoints, id),
    ingressKey: (origin) => mapKey(ingress, origin),
    decodeWorkerInfo: workerInfoDecoder(runtime, workers),
    decodeMessages: hasKnownMessages(messages)
      ? decodeOutboundMessages
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
