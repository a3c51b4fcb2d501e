import { isRelayError, RelayError } from '../../errors/index.ts';

/** What an interrupted command leaves. */
export interface Left {
  /** Messages that stay queued. undefined: those that were queued before, however many. */
  readonly queued?: number;
  /** Of standard input: lines that were read. */
  readonly lines?: number;
}

/** Does the work; throws interrupted, which tells what is left, where a signal has ended it. */
export async function orInterrupted<T>(work: () => Promise<T>, left: () => Left): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw isRelayError(error, 'aborted') ? interrupted(left(), error) : error;
  }
}

export function interrupted({ queued: count, lines }: Left, cause?: unknown): RelayError {
  const queued = queuedText(count);
  const read =
    lines === undefined ? '' : lines === 0 ? '; no line was read' : `; line ${lines} is the last that was read`;
  const details = {
    left: `${queued}${read}`,
    ...(count === undefined ? {} : { count }),
    ...(lines === undefined ? {} : { lines }),
  };
  return new RelayError('interrupted', { details, cause });
}

function queuedText(count: number | undefined): string {
  if (count === undefined) return 'what was queued before stays queued';
  if (count === 0) return 'nothing of this command stays queued';
  return count === 1 ? '1 message stays queued' : `${count} messages stay queued`;
}
