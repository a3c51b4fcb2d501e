import { systemClock } from '../chain/index.ts';
import { isRelayError } from '../errors/index.ts';

/** Before the chain is asked again, ms. */
export const againMs = 1_000;

/** Asks again for as long as no node is reached: nothing is missed by that. Throws what else `read` throws, and aborted. */
export async function reached<T>(read: () => Promise<T>, signal: AbortSignal): Promise<T> {
  for (;;)
    try {
      return await read();
    } catch (error) {
      if (!isRelayError(error, 'chain-unreachable')) throw error;
      await systemClock.sleep(againMs, signal);
    }
}
