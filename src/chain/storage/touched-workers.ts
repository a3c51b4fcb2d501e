import { type GenericCall } from '@polkadot/types';
import type { Codec } from '@polkadot/types/types';
import { toHex, type Hex } from '../../codec/index.ts';
import { RelayError } from '../../errors/index.ts';
import type { TouchedWorkers } from './worker.ts';
import { expectArray, expectHex, expectObject } from '../rpc/expect.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { ReadAs } from './read-at.ts';
import type { BlockStorage } from './block-storage.ts';
import { fastFromHex } from './fast-hex.ts';
import { nestedCalls } from './nested-calls.ts';

const pallet = 'PhalaRegistry';
const section = 'phalaRegistry';
/** Calls that change an entry, and whether they change the list of gatekeepers. */
const touchingCalls: Readonly<Record<string, { readonly gatekeepers: boolean }>> = {
  forceRegisterWorker: { gatekeepers: false },
  registerWorker: { gatekeepers: false },
  registerWorkerV2: { gatekeepers: false },
  updateWorkerEndpoint: { gatekeepers: false },
  registerGatekeeper: { gatekeepers: true },
  unregisterGatekeeper: { gatekeepers: true },
};
const touchingEvents: Readonly<Record<string, { readonly gatekeepers: boolean }>> = {
  WorkerAdded: { gatekeepers: false },
  WorkerUpdated: { gatekeepers: false },
  GatekeeperAdded: { gatekeepers: true },
  GatekeeperRemoved: { gatekeepers: true },
};

/**
 * Hints of what a block changed, from its events and calls. Bytes are searched for the indices of the pallet first: in
 * most blocks nothing is decoded. Where something can't be decoded, `complete` is false.
 */
export async function touchedWorkers(
  storage: BlockStorage,
  readAs: ReadAs,
  signal: AbortSignal | undefined,
): Promise<TouchedWorkers> {
  const [events, extrinsics] = await Promise.all([
    storage.plain('System', 'Events', signal),
    readAs('chain_getBlock', [storage.hash], storage.hash, extrinsicsOf, signal),
  ]);
  const runtime = await storage.runtime(signal);
  const index = runtime.palletIndex(pallet);
  const found: Found = { ids: new Set(), gatekeepers: false, complete: true };
  if (index !== undefined) {
    if (events !== undefined) readEvents(runtime, index, events, found);
    for (const extrinsic of extrinsics) readCalls(runtime, index, extrinsic, found);
  }
  return { ids: [...found.ids], gatekeepers: found.gatekeepers, complete: found.complete };
}

interface Found {
  readonly ids: Set<Hex>;
  gatekeepers: boolean;
  complete: boolean;
}

interface RecordLike {
  readonly event: { readonly section: string; readonly method: string; readonly data: readonly Codec[] };
}

function readEvents(runtime: Runtime, index: number, bytes: Uint8Array, found: Found): void {
  if (!bytes.includes(index)) return;
  const type = runtime.storage('System', 'Events')?.valueType;
  try {
    if (type === undefined) throw new RelayError('unsupported-runtime', { details: { reason: 'it has no events' } });
    for (const { event } of runtime.decode(type, bytes) as unknown as Iterable<RecordLike>) {
      const touching = event.section === section ? touchingEvents[event.method] : undefined;
      const [id] = event.data;
      if (touching !== undefined && id !== undefined) add(found, id, touching);
    }
  } catch {
    found.complete = false;
  }
}

function readCalls(runtime: Runtime, index: number, extrinsic: Hex, found: Found): void {
  if (!Object.keys(touchingCalls).some((name) => mentions(extrinsic, runtime.callIndex(section, name)))) return;
  try {
    const bytes = fastFromHex(extrinsic);
    if (bytes === undefined) throw new RelayError('bad-hex', { details: { what: 'An extrinsic' } });
    const { method } = runtime.registry.createType('Extrinsic', bytes);
    for (const call of nestedCalls(method as unknown as GenericCall)) {
      const touching = call.callIndex[0] === index ? touchingCalls[call.method] : undefined;
      const [first] = call.args;
      if (touching !== undefined && first !== undefined) add(found, keyIn(first), touching);
    }
  } catch {
    found.complete = false;
  }
}

function add(found: Found, id: Codec, { gatekeepers }: { readonly gatekeepers: boolean }): void {
  found.ids.add(toHex(id.toU8a()));
  if (gatekeepers) found.gatekeepers = true;
}

/** The argument itself, or the field `pubkey` of it. */
function keyIn(argument: Codec): Codec {
  return argument instanceof Map ? ((argument.get('pubkey') as Codec | undefined) ?? argument) : argument;
}

function mentions(hex: Hex, index: Uint8Array | undefined): boolean {
  if (index === undefined) return false;
  const pattern = toHex(index).slice(2);
  for (let at = hex.indexOf(pattern, 2); at >= 0; at = hex.indexOf(pattern, at + 1)) if (at % 2 === 0) return true;
  return false;
}

/** Extrinsics of an answer to `chain_getBlock`, as hex. */
export function extrinsicsOf(answer: unknown): readonly Hex[] {
  const method = 'chain_getBlock';
  const block = expectObject(expectObject(answer, method)['block'], method);
  return expectArray(block['extrinsics'], method).map((extrinsic) => expectHex(extrinsic, method));
}
