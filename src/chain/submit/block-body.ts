import { RelayError } from '../../errors/index.ts';
import { storagePrefix } from '../storage/storage-key.ts';
import type { Hex } from '../../codec/index.ts';
import type { Inclusion } from '../chain.ts';
import { parseHeader } from '../head/header.ts';
import { expectObject } from '../rpc/expect.ts';
import type { ReadAt } from '../runtime/runtime-cache.ts';
import type { BlockStorage } from '../storage/block-storage.ts';
import { extrinsicsOf } from '../storage/touched-workers.ts';
import { checkOutcome } from './dispatch-outcome.ts';
import type { SignedExtrinsic } from './sign-extrinsic.ts';

const eventsKey = storagePrefix('System', 'Events');

/** The extrinsic's inclusion if it is in this block; undefined if not. Throws dispatch-failed. */
export async function findIn(
  storage: BlockStorage,
  readAt: ReadAt,
  extrinsic: SignedExtrinsic,
  signal: AbortSignal | undefined,
): Promise<Inclusion | undefined> {
  const { hash } = storage;
  const answer = await readAt('chain_getBlock', [hash], hash, signal);
  if (answer === null) return undefined;
  const index = extrinsicsOf(answer).indexOf(extrinsic.hex);
  if (index < 0) return undefined;
  const { number } = parseHeader(
    expectObject(expectObject(answer, 'chain_getBlock')['block'], 'chain_getBlock')['header'],
  );
  const failures = await outcomeOf(storage, hash, index, signal);
  return {
    extrinsicHash: extrinsic.hash,
    blockHash: hash,
    blockNumber: number,
    ...(failures.length > 0 && { failures }),
  };
}

async function outcomeOf(
  storage: BlockStorage,
  block: Hex,
  index: number,
  signal: AbortSignal | undefined,
): Promise<ReturnType<typeof checkOutcome>> {
  const [runtime, [events]] = await Promise.all([storage.runtime(signal), storage.values([eventsKey], signal)]);
  if (events === undefined)
    throw new RelayError('bad-storage', { details: { what: 'System.Events', block, reason: 'there are none' } });
  return checkOutcome(runtime, events, index);
}
