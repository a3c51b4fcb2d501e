import type { BlockNumber } from '../block-number.ts';

/**
 * The first block from `oldest` to `newest` that something holds for, where it holds for all from some block on. Asks for
 * a few blocks only, also on a chain of many millions.
 */
export async function oldestWhere(
  oldest: BlockNumber,
  newest: BlockNumber,
  holds: (block: BlockNumber) => Promise<boolean>,
): Promise<BlockNumber> {
  if (await holds(oldest)) return oldest;
  // Doubling backwards: what is kept is mostly the last few hundred blocks.
  let [lacks, has] = [oldest, newest];
  for (let depth = 64; newest - depth > lacks; depth *= 2) {
    if (!(await holds(newest - depth))) {
      lacks = newest - depth;
      break;
    }
    has = newest - depth;
  }
  while (has - lacks > 1) {
    const middle = lacks + Math.floor((has - lacks) / 2);
    if (await holds(middle)) has = middle;
    else lacks = middle;
  }
  return has;
}
