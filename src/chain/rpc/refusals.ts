import { RelayError } from '../../errors/index.ts';
import type { Clock } from '../clock.ts';
import { backoffMs } from './backoff.ts';
import type { Connection } from './connection.ts';
import type { RpcError } from './rpc-error.ts';

/** Refusals in a row, beside one of each endpoint, of what no endpoint ever answered, before that is the answer. */
const maxRefusals = 20;
/** Longest pause between them, ms; of what was answered before it may grow as far as between attempts to connect. */
const maxPauseMs = 5_000;
/** Refusals between two warnings of them. */
const refusalsPerWarning = 5;

/**
 * What to make of refusals where somebody waits for as long as it takes: another endpoint is used, or the same one later.
 * What one of them answered before will be answered again; what none ever did may be what they do not offer.
 */
export class Refusals {
  readonly #connection: Pick<Connection, 'options' | 'distrust'>;
  readonly #clock: Clock;
  readonly #answered = new Set<string>();

  constructor(connection: Pick<Connection, 'options' | 'distrust'>, clock: Clock) {
    this.#connection = connection;
    this.#clock = clock;
  }

  /** Requests of this kind are answered. */
  answered(kind: string): void {
    this.#answered.add(kind);
  }

  /** Waits until it is time to ask again, after the so-many-th refusal. Throws `failure` where it is not to be expected any more; aborted. */
  async wait(kind: string, count: number, failure: RelayError, signal: AbortSignal | undefined): Promise<void> {
    const { endpoints, backoff, logger } = this.#connection.options;
    const isOffered = this.#answered.has(kind);
    if (!isOffered && count > maxRefusals + endpoints.length) throw failure;
    const url = String(failure.details?.['url'] ?? '');
    if (count % refusalsPerWarning === 0)
      logger.warn({ url, reason: failure.message, refusals: count }, 'endpoints refuse, they are asked again');
    this.#connection.distrust(url, failure.message);
    const pause = isOffered ? backoff : { ...backoff, maxMs: Math.min(maxPauseMs, backoff.maxMs ?? maxPauseMs) };
    await this.#clock.sleep(backoffMs(count - 1, pause), signal);
  }
}

export function refused(error: RpcError): RelayError {
  const { method, reason, url } = error;
  return new RelayError('rpc-failed', { details: { method, reason, url }, cause: error });
}
