import { isDeepStrictEqual } from 'node:util';
import type { Kind, Sent } from './sent-ledger.ts';

export interface CommandEvidence {
  /** In the order in which they were sent. */
  readonly sent: readonly Sent[];
  /** Texts of what is in final blocks, in their order. */
  readonly posted: Readonly<Record<Kind, readonly string[]>>;
  /** Codes of what has failed, by its number in the queue. */
  readonly failed: ReadonlyMap<bigint, string>;
  /** Whether a text may come in before what was sent earlier, or behind what was sent later. */
  readonly mayMove: (text: string) => boolean;
}

/** Each that was queued once, in order; where that can't be known it fails, and is in a block once or not at all. */
export function brokenByCommands({ sent, posted, failed, mayMove }: CommandEvidence): string[] {
  const broken: string[] = [];
  for (const { as, text, entry, isNeverQueued } of sent) {
    const times = posted[as].filter((each) => each === text).length;
    if (times > 1) broken.push(`"${text}" of the ${as} was posted ${times} times`);
    if (isNeverQueued && times > 0) broken.push(`"${text}" of the ${as} is in a block, and its queue never held it`);
    if (entry !== undefined && !failed.has(entry.sendId) && times === 0)
      broken.push(`"${text}" of the ${as} was queued, has not failed, and is in no block`);
  }
  for (const as of ['worker', 'account'] as const) {
    const came = [...new Set(posted[as])].filter((text) => !mayMove(text));
    const inOrder = sent.map(({ text }) => text).filter((text) => came.includes(text));
    if (!isDeepStrictEqual(came, inOrder)) broken.push(`commands of the ${as} came in as ${came.join(', ')}`);
  }
  return broken;
}
