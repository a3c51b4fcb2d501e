import { RelayError } from '../../errors/index.ts';
import { throwIfAborted } from '../abort.ts';
import { parseHeader } from '../head/header.ts';
import type { RpcError } from '../rpc/rpc-error.ts';
import type { RpcSocket } from '../rpc/rpc-socket.ts';
import type { ExtrinsicFacts } from './submission.ts';

type EraPlace = 'over' | 'ahead' | 'present' | 'unknown';

/**
 * How an extrinsic stands to the blocks of a node that refused it: over where they are past its era, ahead where its anchor is
 * not among them yet; unknown where the node does not say.
 */
export async function eraAt(
  socket: RpcSocket,
  { anchor, death }: ExtrinsicFacts,
  signal: AbortSignal | undefined,
): Promise<EraPlace> {
  try {
    const { number } = parseHeader(await socket.request('chain_getHeader', [], { signal }));
    // Its pool judges for the block that comes next.
    if (number + 1 >= death) return 'over';
    return number < anchor ? 'ahead' : 'present';
  } catch {
    throwIfAborted(signal);
    return 'unknown';
  }
}

/** For who gives up posting. Where its era is not over it may come in yet. */
export function neverInItsEra({ anchor, death }: ExtrinsicFacts, era: EraPlace, cause: RpcError): RelayError {
  if (era === 'over') return new RelayError('extrinsic-expired', { details: { block: death }, cause });
  const { method, url } = cause;
  const reason = era === 'ahead' ? `it has no block ${anchor} yet, which the extrinsic is anchored on` : cause.reason;
  return new RelayError('rpc-failed', { details: { method, reason, url }, cause });
}
