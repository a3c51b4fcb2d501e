import type { BlockNumber, Chain, Head, OutboundMessage } from '../chain/index.ts';
import { equalBytes, toHex, type Hex } from '../codec/index.ts';
import { isRelayError } from '../errors/index.ts';

/** What is looked for: a worker's message, by the bytes that the chain shows. */
export interface Wanted<Id> {
  readonly id: Id;
  readonly envelope: Uint8Array;
}

/** The blocks after `since`, up to the best head, that carry messages of this worker with these very bytes. */
export async function findPosted<Id>(
  chain: Chain,
  worker: Hex,
  wanted: readonly Wanted<Id>[],
  {
    since,
    searched,
    signal,
  }: { readonly since: BlockNumber; readonly searched: Set<Hex>; readonly signal: AbortSignal },
): Promise<Map<Id, Head>> {
  const found = new Map<Id, Head>();
  const byEnd = new Map(wanted.map((each) => [endOf(each.envelope), each]));
  const best = await chain.bestHead(signal);
  for (let number = since + 1; number <= best.number && found.size < wanted.length; number++) {
    const head = await chain.headAt(number, signal);
    if (head === undefined) break;
    if (searched.has(head.hash)) continue;
    let hasSome = false;
    for (const { sender, payload } of await messagesOf(chain, head.hash, signal)) {
      if (sender.kind !== 'worker' || sender.id !== worker) continue;
      hasSome = true;
      const match = byEnd.get(endOf(payload));
      if (match !== undefined && equalBytes(match.envelope, payload)) found.set(match.id, head);
    }
    if (!hasSome) searched.add(head.hash);
  }
  return found;
}

/** Where no node has them any more, nothing is found: what is signed anew then has the same nonce, and counts once. */
async function messagesOf(chain: Chain, block: Hex, signal: AbortSignal): Promise<OutboundMessage[]> {
  try {
    return await chain.at(block).outboundMessages(signal);
  } catch (error) {
    if (isRelayError(error, 'state-discarded')) return [];
    throw error;
  }
}

/** The tag of the cipher tells envelopes apart. */
function endOf(envelope: Uint8Array): Hex {
  return toHex(envelope.subarray(-16));
}
