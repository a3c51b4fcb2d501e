import type { Hex } from '../../codec/index.ts';
import type { BlockId, Head } from './head.ts';

/** Whether a block is `ancestor` or has it on its own branch, whichever is the best one: reads the headers between them by hash. */
export async function descendsFrom(
  block: Head,
  ancestor: BlockId,
  byHash: (hash: Hex) => Promise<Head>,
): Promise<boolean> {
  let head = block;
  while (head.number > ancestor.number) head = await byHash(head.parentHash);
  return head.hash === ancestor.hash;
}
