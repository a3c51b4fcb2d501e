import { RelayError } from '../errors/index.ts';
import { maxTimerMs } from '../signals/index.ts';
import type { BackoffOptions } from './rpc/backoff.ts';

/** How long a connection waits. */
export interface ConnectTimes {
  /** How long to try to connect, connections that break included, and how long a call waits while there is no connection, ms. Default 10 000. */
  readonly timeoutMs?: number;
  /** Silence of a subscription after which its node is probed, ms. Default: five block times as they are seen, 6 s to 2 min. */
  readonly silenceMs?: number;
  /** Pauses between attempts at an endpoint that fails. Default: from 250 ms, doubling up to 30 s. */
  readonly backoff?: BackoffOptions;
}

/** Throws bad-setting for what no timer can wait: a longer one would fire at once. */
export function checkTimes({ timeoutMs, silenceMs, backoff: { minMs, maxMs } = {} }: ConnectTimes): void {
  const times = { timeoutMs, silenceMs, 'backoff.minMs': minMs, 'backoff.maxMs': maxMs };
  for (const [name, ms] of Object.entries(times)) {
    if (ms === undefined || (ms >= 1 && ms <= maxTimerMs)) continue;
    throw new RelayError('bad-setting', { details: { name, reason: `${ms} is not 1 to ${maxTimerMs} ms` } });
  }
}
