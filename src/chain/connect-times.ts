import { RelayError } from '../errors/index.ts';
import { maxTimerMs } from './clock.ts';
import type { ConnectOptions } from './connect-chain.ts';

/** Throws bad-setting for what no timer can wait: a longer one would fire at once. */
export function checkTimes({ timeoutMs, silenceMs, backoff: { minMs, maxMs } = {} }: ConnectOptions): void {
  const times = { timeoutMs, silenceMs, 'backoff.minMs': minMs, 'backoff.maxMs': maxMs };
  for (const [name, ms] of Object.entries(times)) {
    if (ms === undefined || (ms >= 1 && ms <= maxTimerMs)) continue;
    throw new RelayError('bad-setting', { details: { name, reason: `${ms} is not 1 to ${maxTimerMs} ms` } });
  }
}
