import type { BlockNumber, Head } from '../chain.ts';
import type { HeadReader } from './head-reader.ts';
import { readRange } from './read-range.ts';

/**
 * Heads from number `from` up to and with `to`, each the parent of the next by its hash. What a node gives for a number is
 * taken where it is linked; where it is not, that node is left and the parents are read by their hashes.
 */
export async function linkedRange(
  reader: HeadReader,
  from: BlockNumber,
  to: Head,
  signal: AbortSignal,
): Promise<Head[]> {
  const heads: Head[] = [];
  for await (const head of readRange(reader, from, to, signal)) heads.push(head);
  for (let i = heads.length - 2; i >= 0; i--) {
    const [head, next] = [heads[i], heads[i + 1]];
    if (head === undefined || next === undefined || head.hash === next.parentHash) continue;
    reader.blame(head);
    heads[i] = await reader.byHash(next.parentHash, { signal, patienceMs: Infinity });
  }
  return heads;
}
