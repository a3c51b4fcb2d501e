import { isRelayError } from '../../errors/index.ts';
import type { Output } from '../output.ts';
import type { Progress } from './progress.ts';

/** As `progress.until`, and prints what stays queued where it fails; but not where another process goes on with that. */
export async function untilThere(
  progress: Progress,
  left: number,
  { output, signal }: { readonly output: Output; readonly signal: AbortSignal },
): Promise<void> {
  try {
    await progress.until(left, signal);
  } catch (error) {
    if (!isRelayError(error, 'outbox-replaced')) for (const sendId of progress.open) printQueued(output, sendId);
    throw error;
  }
}

/** `sendId`: as outbox ls shows it. */
export function printQueued(output: Output, sendId: bigint): void {
  output.print({ event: 'queued', sendId }, `Message ${sendId} stays queued.`);
}
