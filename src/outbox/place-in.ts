import type { Fate } from '../chain/index.ts';
import type { Hex } from '../codec/index.ts';
import type { RefusedFlight } from './flight.ts';
import type { Posted } from './outbox.ts';

/** Where a message is in a block, and under which id. */
export interface Place extends Posted {
  readonly messageId: Hex;
}

/** Of the so-many-th message of an extrinsic. undefined: no block has it, or it failed there. */
export function placeIn({ as, members }: RefusedFlight, i: number, fate: Fate | undefined): Place | undefined {
  const member = members[i];
  if (fate?.kind !== 'included' || member === undefined) return undefined;
  const { failure, failures = [], isOutcomeUnknown = false, blockHash, blockNumber } = fate.inclusion;
  // A worker's may have come in as a whole or not at all: where nobody knows, what was signed anew goes.
  if (as === 'worker' && isOutcomeUnknown) return undefined;
  if (failure !== undefined || failures.some(({ index }) => index === i)) return undefined;
  return { messageId: member.messageId, blockHash, blockNumber, ...(isOutcomeUnknown && { isOutcomeUnknown }) };
}
