import type { Hex } from '../../codec/index.ts';
import { isRelayError, type RelayError } from '../../errors/index.ts';
import { throwIfAborted } from '../abort.ts';
import type { Clock } from '../clock.ts';
import type { ChainLogger } from '../logger.ts';
import { backoffMs, type BackoffOptions } from './backoff.ts';
import type { EndpointHealth } from './endpoint-health.ts';
import type { NodeFaults } from './node-faults.ts';
import { openOnChain, type Opened } from './open-on-chain.ts';

/** Least time that one endpoint gets to answer, however many share the time to connect. */
const minAttemptMs = 1_000;

/** Whose endpoints they are. */
export interface Dialling {
  readonly options: {
    readonly endpoints: readonly string[];
    readonly backoff: BackoffOptions;
    readonly clock: Clock;
    readonly logger: ChainLogger;
  };
  readonly health: EndpointHealth;
  readonly faults: NodeFaults;
  readonly stopped: AbortSignal;
  hasLeft(url: string): boolean;
  /** It is of another chain. */
  foreign(url: string, reason: RelayError): void;
  leave(url: string, reason: RelayError): void;
  unreachable(reason: string): RelayError;
}

/**
 * Tries the endpoints, the healthiest first, until one is of the chain with this genesis hash (any, where there is none), or
 * the signal fires. Throws wrong-chain where all that were not left are of another one, node-lies where all were left,
 * chain-unreachable, or why the connection was stopped.
 */
export async function dial(
  connection: Dialling,
  genesisHash: Hex | undefined,
  signal: AbortSignal,
  timeoutMs: number,
): Promise<Opened> {
  const { options, health, stopped } = connection;
  const { endpoints, backoff, clock, logger } = options;
  const attemptMs = Math.max(minAttemptMs, timeoutMs / endpoints.length);
  let reason = `no answer within ${timeoutMs} ms`;
  for (let pass = 0; ; pass++) {
    let foreign: RelayError | undefined;
    let foreigners = 0;
    let wasBehind = false;
    for (const url of health.ranked) {
      if (connection.hasLeft(url)) continue;
      try {
        const opened = await openOnChain(url, { timeoutMs: attemptMs, signal, genesisHash });
        if (signal.aborted || connection.hasLeft(url)) {
          opened.socket.close('not wanted any more');
          throwIfAborted(signal);
          continue;
        }
        connection.faults.clearForeign(url);
        health.answered(url, opened.latencyMs);
        health.finalized(url, opened.finalized);
        const isBehind = opened.finalized < health.due;
        if (isBehind && pass === 0 && endpoints.length > 1) {
          logger.warn({ url, finalized: opened.finalized }, 'endpoint is behind, another is tried');
          opened.socket.close('behind');
          wasBehind = true;
          continue;
        }
        logger.debug({ url }, 'connected');
        return opened;
      } catch (error) {
        if (signal.aborted) throw stopped.aborted ? error : connection.unreachable(reason);
        if (isRelayError(error, 'wrong-chain')) {
          connection.foreign(url, error);
          foreign = error;
          foreigners++;
        }
        if (isRelayError(error, 'node-lies')) connection.leave(url, error);
        // Whatever it answered, another may do better, or the same one later.
        health.failed(url);
        reason = error instanceof Error ? error.message : String(error);
        logger.debug({ url, reason }, 'endpoint does not work');
      }
    }
    const usable = endpoints.filter((url) => !connection.hasLeft(url)).length;
    if (foreign !== undefined && foreigners === usable) throw foreign;
    throwIfAborted(stopped);
    // There is no better one: whoever works is used now.
    if (wasBehind) continue;
    try {
      await clock.sleep(backoffMs(pass, backoff), signal);
    } catch (error) {
      throw stopped.aborted ? error : connection.unreachable(reason);
    }
  }
}
