import { isRelayError, RelayError } from '../../errors/index.ts';
import type { Hex } from '../../codec/index.ts';
import type { Inclusion, SignedExtrinsic } from './submission.ts';
import type { BlockStorage } from '../storage/block-storage.ts';
import type { BlockBody } from '../storage/body-reader.ts';
import { storagePrefix } from '../storage/storage-key.ts';
import { outcomeOf, type Outcome } from './dispatch-outcome.ts';

const eventsKey = storagePrefix('System', 'Events');

/** The extrinsic's inclusion if it is in this block; undefined if not. `hex` is that of its bytes. */
export async function findInclusion(
  storage: BlockStorage,
  { number, extrinsics }: BlockBody,
  { extrinsic, hex }: { readonly extrinsic: Pick<SignedExtrinsic, 'hash'>; readonly hex: Hex },
  signal: AbortSignal | undefined,
): Promise<Inclusion | undefined> {
  const { hash } = storage;
  const index = extrinsics.indexOf(hex);
  if (index < 0) return undefined;
  const outcome = await readOutcome(storage, hash, index, signal).catch(unknownWhereForgotten);
  const { failures, failure } = outcome ?? { failures: [], failure: undefined };
  return {
    extrinsicHash: extrinsic.hash,
    blockHash: hash,
    blockNumber: number,
    ...(failures.length > 0 && { failures }),
    ...(failure !== undefined && { failure }),
    ...(outcome === undefined && { isOutcomeUnknown: true }),
  };
}

/** Nodes keep bodies for longer than states. */
function unknownWhereForgotten(error: unknown): undefined {
  if (!isRelayError(error, 'state-discarded')) throw error;
}

async function readOutcome(
  storage: BlockStorage,
  block: Hex,
  index: number,
  signal: AbortSignal | undefined,
): Promise<Outcome> {
  const [runtime, [events]] = await Promise.all([storage.runtime(signal), storage.values([eventsKey], signal)]);
  if (events === undefined)
    throw new RelayError('bad-storage', { details: { what: 'System.Events', block, reason: 'there are none' } });
  return outcomeOf(runtime, events, index);
}
