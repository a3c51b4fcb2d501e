import { throwIfAborted } from '../abort.ts';
import { parseHeader } from '../head/header.ts';
import type { RpcSocket } from '../rpc/rpc-socket.ts';
import type { ExtrinsicFacts } from './submission.ts';

/** Whether a node that refused an extrinsic is past its era by now, or has not got the block that it is anchored on. */
export async function isOutOfEra(
  socket: RpcSocket,
  { anchor, death }: ExtrinsicFacts,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  try {
    const { number } = parseHeader(await socket.request('chain_getHeader', [], { signal }));
    // Its pool judges for the block that comes next.
    return number + 1 >= death || number < anchor;
  } catch {
    throwIfAborted(signal);
    return false;
  }
}
