import type fc from 'fast-check';

/** That are to be played, and new ones; undefined: the usual ones. */
const wanted = process.env['KHALA_RELAY_MODEL_RUNS'];

/** Whether a model plays the same schedules as each time. */
export function isUsual(): boolean {
  return wanted === undefined;
}

/**
 * How many schedules a model plays. `usualRuns` of `seed`, the same each time; KHALA_RELAY_MODEL_RUNS=N plays N new ones, and a
 * failure names the seed and path that play it again.
 */
export function modelRuns<T>(usualRuns: number, seed = 1): fc.Parameters<T> {
  if (wanted !== undefined) return { numRuns: Number(wanted) };
  return { numRuns: usualRuns, seed };
}
