import type { Hex } from '../../codec/index.ts';

/** Asks the node about the block; throws state-discarded where it has not got it. */
export type ReadAt = (method: string, params: readonly unknown[], block: Hex, signal?: AbortSignal) => Promise<unknown>;

/** As {@link ReadAt}; the answer is what `parse` makes of it, which is told too whose it is. */
export type ReadAs = <T>(
  method: string,
  params: readonly unknown[],
  block: Hex,
  parse: (result: unknown, url: string) => T,
  signal?: AbortSignal,
) => Promise<T>;
