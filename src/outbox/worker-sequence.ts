import type { Head } from '../chain/index.ts';
import { isRelayError } from '../errors/index.ts';
import type { ChainWork } from './work.ts';

type Asked = Pick<ChainWork, 'chain' | 'vault' | 'signal'>;

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
