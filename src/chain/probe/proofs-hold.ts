import { fromHex, type Hex } from '../../codec/index.ts';
import { isRelayError } from '../../errors/index.ts';
import { lookUp } from '../trie/look-up.ts';
import { loadHash256, ProofNodes } from '../trie/proof-nodes.ts';
import { digitsOf, proofIn, type ProvenBlock } from '../trie/proof-reader.ts';

/**
 * Whether an answer to `state_getReadProof` shows, against the state root of the block, the value of a key that every state
 * from the first block on has.
 */
export async function proofsHold(answer: unknown, block: ProvenBlock, key: Hex): Promise<boolean> {
  const proof = proofIn(answer);
  if (proof === undefined) return false;
  const nodes = new ProofNodes(await loadHash256());
  try {
    nodes.add(proof);
    const found = lookUp(nodes, fromHex(block.stateRoot), digitsOf(key));
    return found !== undefined && (found.is !== undefined || block.number === 0);
  } catch (error) {
    if (!isRelayError(error, 'bad-proof')) throw error;
    return false;
  }
}
