import { isRelayError, RelayError } from '../errors/index.ts';

/** Runs what posts an extrinsic. */
export type Post = <T>(work: () => Promise<T>) => Promise<T>;

/**
 * Does the work of a command that posts an extrinsic by `post`. Throws posting-interrupted where a signal has ended it: before that,
 * or else with `left`, what may come of it.
 */
export async function posting(left: string, work: (post: Post) => Promise<void>): Promise<void> {
  const progress = { isBegun: false };
  const post: Post = (run) => {
    progress.isBegun = true;
    return run();
  };
  try {
    await work(post);
  } catch (error) {
    if (!isRelayError(error, 'aborted')) throw error;
    const details = { left: progress.isBegun ? left : 'nothing was posted' };
    throw new RelayError('posting-interrupted', { details, cause: error });
  }
}
