import type { BlockNumber, Finality } from '../chain/index.ts';
import { checkValue } from '../errors/index.ts';
import type { GapPolicy } from './follow-finalized.ts';
import type { Bounds } from './in-flight.ts';

interface Checked {
  readonly finality?: Finality;
  readonly from?: BlockNumber | 'head';
  readonly onGap?: GapPolicy;
  readonly inFlight?: Bounds;
  readonly retentionMs?: number;
}

/** Throws bad-value. */
export function checkOptions({ finality, from, onGap, inFlight, retentionMs }: Checked): void {
  checkValue('finality', [undefined, 'finalized', 'best'].includes(finality), 'finalized or best');
  checkValue('from', from === undefined || from === 'head' || isWhole(from), 'head or a block number');
  checkValue('onGap', [undefined, 'stop', 'skip'].includes(onGap), 'stop or skip');
  checkValue('retentionMs', retentionMs === undefined || (isWhole(retentionMs) && retentionMs > 0), 'whole ms above 0');
  if (inFlight === undefined) return;
  checkValue('inFlight.count', inFlight.count >= 1, '1 or more');
  checkValue('inFlight.bytes', inFlight.bytes >= 1, '1 or more');
}

function isWhole(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}
