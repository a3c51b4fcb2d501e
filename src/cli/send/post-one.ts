import { lastValueFrom, Subject } from 'rxjs';
import type { RelayError } from '../../errors/index.ts';
import {
  createOutbox,
  type Arrival,
  type Outbox,
  type OutboxOptions,
  type Posted,
  type Receipt,
} from '../../outbox/index.ts';
import { tellNotice } from './tell-notice.ts';

/**
 * Queues a message in the outbox and waits until it is in a block. A command gives up where a service would go on: the
 * message stays queued then, and the next send posts it.
 */
export async function postOne(
  options: Omit<OutboxOptions, 'onSetback' | 'onNotice'>,
  queue: (outbox: Outbox) => Promise<Receipt<Arrival & Posted>>,
  { wait, signal }: { readonly wait: 'inBlock' | 'finalized'; readonly signal: AbortSignal },
): Promise<Arrival & Posted> {
  const setbacks = new Subject<never>();
  const onSetback = (error: RelayError): void => {
    setbacks.error(error);
  };
  await using outbox = createOutbox({ ...options, onSetback, onNotice: tellNotice });
  const failed = lastValueFrom(setbacks);
  failed.catch(() => undefined); // raced below
  await outbox.start();
  const receipt = await queue(outbox);
  return await Promise.race([receipt.reached(wait, signal), failed]);
}
