export interface BackoffOptions {
  /** First delay, ms. Default 250. */
  readonly minMs?: number;
  /** Longest delay, ms. Default 30 000. */
  readonly maxMs?: number;
  /** In [0, 1). Default Math.random. */
  readonly random?: () => number;
}

const defaultMinMs = 250;
const defaultMaxMs = 30_000;

/** Delay before attempt `attempt` (from 0): doubles up to the longest, then between half of it and all of it. */
export function backoffMs(
  attempt: number,
  { minMs = defaultMinMs, maxMs = defaultMaxMs, random = Math.random }: BackoffOptions = {},
): number {
  const full = Math.min(maxMs, minMs * 2 ** attempt);
  return full / 2 + (full / 2) * random();
}
