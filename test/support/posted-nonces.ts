import type { Chain } from '../../src/chain/index.ts';
import { equalBytes, topicOf } from '../../src/codec/index.ts';
import type { Vault } from '../../src/vault/index.ts';

/** Nonces of the messages to a recipient in the blocks from `first` on, in the order of the chain, however often each is there. */
export async function postedNonces(chain: Chain, recipient: Vault, first: number): Promise<bigint[]> {
  const { number } = await chain.bestHead();
  const nonces: bigint[] = [];
  for (let block = first; block <= number; block++) {
    const head = await chain.headAt(block);
    for (const { destination, payload } of head === undefined ? [] : await chain.at(head.hash).outboundMessages())
      if (equalBytes(destination, topicOf(recipient.identity)))
        nonces.push((await recipient.open({ genesisHash: chain.genesisHash, envelope: payload })).header.nonce);
  }
  return nonces;
}
