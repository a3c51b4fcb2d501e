import { checkValue } from '../errors/index.ts';
import { maxTimerMs } from './max-timer.ts';

/** Throws bad-value for what no timer waits, as one that fires at once instead. */
export function checkTimer(what: string, ms: number, leastMs = 1): void {
  checkValue(what, ms >= leastMs && ms <= maxTimerMs, `${leastMs} to ${maxTimerMs} ms`);
}
