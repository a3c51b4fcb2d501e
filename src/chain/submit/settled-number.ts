import type { BlockNumber } from '../block-number.ts';
import type { Head } from '../head/head.ts';
import { eraBlocks } from './sign-extrinsic.ts';

/** A block so far below the best one counts as settled where finality lags or never comes. */
export const deepBlocks = eraBlocks / 2;

/** The newest block that stays. */
export function settledNumber({ finalized, best }: { readonly finalized: Head; readonly best: Head }): BlockNumber {
  return Math.max(finalized.number, best.number - deepBlocks);
}
