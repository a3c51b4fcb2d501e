import type { BlockNumber, Head } from '../chain/index.ts';
import { isRelayError } from '../errors/index.ts';
import type { ChainWork } from './work.ts';

type Asked = Pick<ChainWork, 'chain' | 'signal'> & { readonly vault: Pick<ChainWork['vault'], 'identity'> };

/** How long endpoints that are to agree on a block are waited for, where the one in use gets on, ms. */
const agreementMs = 2_000;

/**
 * The worker's next sequence at a block. Where there are several endpoints, by a proof, since each of them may make it up: of
 * those that give none the one in use is believed.
 */
export async function sequenceAt({ chain, vault, signal }: Asked, head: Head): Promise<bigint> {
  if (chain.trust !== 'single')
    try {
      return await chain.provenSequence(head, vault.identity, signal);
    } catch (error) {
      if (!isRelayError(error, 'proofs-unavailable')) throw error;
    }
  return chain.at(head.hash).ingressSequence(vault.identity, signal);
}

/**
 * No block up to this one has what is signed now. One node could say that the chain is further than it is, and what comes into
 * the blocks between would not be looked for; where the others are away that one is believed.
 */
export async function signedSince(
  { chain, signal }: Pick<ChainWork, 'chain' | 'signal'>,
  { number }: Head,
): Promise<BlockNumber> {
  if (chain.trust === 'single') return number;
  try {
    return Math.min(number, (await chain.agreedHead(signal, agreementMs)).number);
  } catch (error) {
    if (!isRelayError(error, 'no-quorum')) throw error;
    return number;
  }
}
