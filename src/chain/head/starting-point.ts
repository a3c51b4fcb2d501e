import type { BlockNumber } from '../block-number.ts';
import type { Head } from './head.ts';

/** Where heads begin: at a block, behind one that was seen, or (neither) at the present one. */
export interface StartingPoint {
  readonly from: BlockNumber | undefined;
  readonly after: Pick<Head, 'number' | 'hash'> | undefined;
}
