import type { Hex } from '../codec/index.ts';
import { RelayError } from '../errors/index.ts';

export interface HandlerTime {
  readonly messageId: Hex;
  readonly timeoutMs: number;
  /** Aborts the handler, which is waited for. */
  readonly stopping: AbortSignal;
}

/**
 * Gives what a handler gives. When its time is over its signal aborts, and it has failed, whether it heeds the signal or not. Throws
 * handler-failed then, and what the handler throws.
 */
export async function inHandlerTime<T>(
  { messageId, timeoutMs, stopping }: HandlerTime,
  handler: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const late = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const timeIsOver = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      const reason = `it did not end within ${timeoutMs} ms`;
      const error = new RelayError('handler-failed', { details: { messageId, reason } });
      reject(error);
      late.abort(error);
    }, timeoutMs);
  });
  try {
    return await Promise.race([handler(AbortSignal.any([late.signal, stopping])), timeIsOver]);
  } finally {
    clearTimeout(timer);
  }
}
