import {
  createOutbox,
  type Arrival,
  type Outbox,
  type OutboxOptions,
  type Posted,
  type Receipt,
} from '../../outbox/index.ts';
import type { Output } from '../output.ts';
import { warn } from '../warn.ts';
import { orInterrupted } from './or-interrupted.ts';
import { Progress } from './progress.ts';
import { tellNotice } from '../tell-notice.ts';
import { untilThere } from './until-there.ts';

export interface PostOneOptions {
  readonly wait: 'inBlock' | 'finalized';
  /** As long as it is tried where nothing gets on, ms. */
  readonly timeoutMs: number;
  readonly output: Output;
  readonly signal: AbortSignal;
}

/**
 * Queues a message in the outbox and waits until it is in a block. What can't go within the time stays queued for the next
 * command, which is said. Throws still-queued, interrupted, and what it failed with.
 */
export async function postOne(
  options: Omit<OutboxOptions, 'onSetback' | 'onNotice'>,
  queue: (outbox: Outbox) => Promise<Receipt<Arrival & Posted>>,
  { wait, timeoutMs, output, signal }: PostOneOptions,
): Promise<Arrival & Posted> {
  const progress = new Progress(timeoutMs);
  const told = new Set<string>();
  await using outbox = createOutbox({
    ...options,
    onNotice: tellNotice,
    onSetback: (error) => {
      progress.setback(error);
      if (!told.has(error.code)) warn(`not yet: ${error.message}`, error);
      told.add(error.code);
    },
  });
  await outbox.start();
  const receipt = await queue(outbox);
  progress.add(receipt, wait, () => undefined);
  await orInterrupted(
    () => untilThere(progress, 0, { output, signal }),
    () => ({ queued: progress.left }),
  );
  return await receipt.reached(wait, signal);
}
