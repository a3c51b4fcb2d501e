import type { Runtime } from '../runtime/runtime.ts';
import { hasKnownMessages } from '../storage/outbound-messages.ts';
import { workerInfoLayout } from '../storage/worker-info.ts';
import type { PalletShape } from './capabilities.ts';

/** What is used of each pallet; calls in the library's camelCase. */
const used = [
  {
    name: 'PhalaMq',
    section: 'phalaMq',
    storage: ['OffchainIngress', 'OutboundMessages'],
    calls: ['syncOffchainMessage', 'pushMessage'],
  },
  {
    name: 'PhalaRegistry',
    section: 'phalaRegistry',
    storage: ['Workers', 'Endpoints', 'Gatekeeper'],
    calls: ['registerWorkerV2', 'updateWorkerEndpoint', 'forceRegisterWorker'],
  },
] as const;

/** Presence and shape of the two pallets that all of this rests on. */
export function describePallets(runtime: Runtime): PalletShape[] {
  return used.map(({ name, section, storage, calls }) => ({
    name,
    index: runtime.palletIndex(name),
    missing: [
      ...storage.filter((entry) => runtime.storage(name, entry) === undefined),
      ...calls.filter((call) => runtime.callIndex(section, call) === undefined),
    ],
    layout: name === 'PhalaMq' ? messageLayout(runtime) : workerLayout(runtime),
  }));
}

function messageLayout(runtime: Runtime): PalletShape['layout'] {
  const entry = runtime.storage('PhalaMq', 'OutboundMessages');
  if (entry === undefined) return undefined;
  return hasKnownMessages(entry) ? 'current' : 'other';
}

function workerLayout(runtime: Runtime): PalletShape['layout'] {
  const entry = runtime.storage('PhalaRegistry', 'Workers');
  return entry && workerInfoLayout(entry);
}
