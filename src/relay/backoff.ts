import { checkTimer } from '../signals/index.ts';

export interface Backoff {
  /** Pause after the first failure, ms. */
  readonly firstMs: number;
  /** Longest pause, ms. */
  readonly mostMs: number;
}

/** Throws bad-value. */
export function checkBackoff({ firstMs, mostMs }: Backoff): void {
  checkTimer('backoff.firstMs', firstMs, 0);
  checkTimer('backoff.mostMs', mostMs, 0);
}

/** Doubles with each failure, then takes a random half off, so that many who lost the same relay don't come at once. */
export function backoffMs(failures: number, { firstMs, mostMs }: Backoff, random: () => number = Math.random): number {
  const pause = Math.min(mostMs, firstMs * 2 ** Math.min(failures - 1, 30));
  return pause * (0.5 + random() / 2);
}
