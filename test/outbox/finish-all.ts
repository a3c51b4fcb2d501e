import { isRelayError } from '../../src/errors/index.ts';
import type { Outbox } from '../../src/outbox/index.ts';

/** Tries again, in their order, what a node refused. */
export async function retryFailed(outbox: Outbox): Promise<void> {
  for await (const { sendId, status } of outbox.entries()) if (status.state === 'failed') await outbox.retry(sendId);
}

/** Resolves when all that is queued is final; what fails is tried again. */
export async function finishAll(outbox: Outbox): Promise<void> {
  for await (const { sendId } of outbox.entries())
    for (let isFinal = false; !isFinal;)
      try {
        await (await outbox.receipt(sendId))?.reached('finalized');
        isFinal = true;
      } catch (error) {
        if (!isRelayError(error, 'extrinsic-rejected')) throw error;
        await retryFailed(outbox);
      }
}
