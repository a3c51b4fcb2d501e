import type fc from 'fast-check';

/**
 * How many schedules a model plays. `usualRuns`, the same each time; KHALA_RELAY_MODEL_RUNS=N plays N new ones, and a failure names
 * the seed and path that play it again.
 */
export function modelRuns<T>(usualRuns: number): fc.Parameters<T> {
  const wanted = process.env['KHALA_RELAY_MODEL_RUNS'];
  if (wanted !== undefined) return { numRuns: Number(wanted) };
  return { numRuns: usualRuns, seed: 1 };
}
