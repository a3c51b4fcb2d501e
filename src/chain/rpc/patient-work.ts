import type { RelayError } from '../../errors/index.ts';
import type { Clock } from '../clock.ts';
import type { ChainLogger } from '../logger.ts';
import { backoffMs, type BackoffOptions } from './backoff.ts';
import type { ConnectTime } from './connect-time.ts';
import type { EndpointHealth } from './endpoint-health.ts';
import { ConnectionLost, isInternal, isTransient, oversizeCode, RpcError } from './rpc-error.ts';
import type { RpcSocket } from './rpc-socket.ts';

/** Times that a node may say that it is busy or failed before that is the answer. */
const maxRefusals = 5;
/** … and before another endpoint is used, where there is one. */
const patientRefusals = 2;
/** Times that a node may say that it failed to who waits for as long as it takes: some minutes, by the default backoff. */
const maxFailures = 20;
/** Refusals between two warnings of them. */
const refusalsPerWarning = 5;
/** Times that an answer may exceed what a socket takes before the request itself is blamed. */
const maxOversized = 2;
/** The same of one that can ask for no less, among others: these ask for half as much each second time, of 1 000 keys at most. */
const maxOversizedAmongOthers = 24;

interface Patience {
  readonly signal?: AbortSignal | undefined;
  readonly patienceMs?: number;
  readonly isDivisible?: boolean;
}

/** Whose sessions are worked on. */
export interface SessionSource<S extends { readonly socket: RpcSocket }> {
  readonly options: {
    readonly endpoints: readonly string[];
    readonly timeoutMs: number;
    readonly backoff: BackoffOptions;
    readonly clock: Clock;
    readonly logger: ChainLogger;
  };
  readonly health: EndpointHealth;
  readonly hasOthers: boolean;
  readonly connectTime: Pick<ConnectTime, 'leftMs'>;
  usable(options: Patience): S | undefined;
  session(options: Patience): Promise<S>;
  replace(session: S, reason: string): void;
  unreachable(reason: string): RelayError;
}

/**
 * Does on a socket what may be done twice: on that of the next session where one breaks, for as long as it would wait for one,
 * and at least twice at each endpoint, or while it is being connected, until its time is over; and again where the node is
 * busy. Throws RpcError as the node answered it,
 * chain-unreachable, aborted, chain-stopped.
 */
export async function workPatiently<T, S extends { readonly socket: RpcSocket }>(
  connection: SessionSource<S>,
  method: string,
  options: Patience,
  work: (socket: RpcSocket) => Promise<T>,
): Promise<T> {
  const { endpoints, timeoutMs, backoff, clock, logger } = connection.options;
  const { patienceMs = timeoutMs } = options;
  const leastLosses = 2 * endpoints.length + 1;
  let losses = 0;
  let firstLossAt: number | undefined;
  let oversized = 0;
  let refusals = 0;
  for (;;) {
    const session = connection.usable(options) ?? (await connection.session(options));
    const { socket } = session;
    try {
      return await work(socket);
    } catch (error) {
      if (error instanceof RpcError && isTransient(error) && refusals++ < mostRefusals(error, options)) {
        connection.health.failed(socket.url);
        if (refusals % refusalsPerWarning === 0) {
          const { url, reason } = error;
          logger.warn({ url, method, reason, refusals }, 'endpoint refuses, it is asked again');
        }
        if (refusals > patientRefusals && connection.hasOthers)
          connection.replace(session, `it can not answer ${method}: ${error.reason}`);
        await clock.sleep(backoffMs(refusals - 1, backoff), options.signal);
        continue;
      }
      if (!(error instanceof ConnectionLost)) throw error;
      const reason = error.message;
      if (!error.isOversize) {
        const now = clock.now();
        firstLossAt ??= now;
        losses += 1;
        const { leftMs } = connection.connectTime;
        const isOver =
          leftMs === undefined
            ? // Many in a short time tell no more than one: the way to a node may flap.
              losses >= leastLosses && now - firstLossAt >= patienceMs
            : leftMs === 0;
        if (isOver) throw connection.unreachable(reason);
        continue;
      }
      // Whose answer it was that the socket broke of is not known, unless there was only one: the others get through later.
      const isClear = error.isAlone || options.isDivisible === true;
      if (++oversized >= (isClear ? maxOversized : maxOversizedAmongOthers))
        throw new RpcError(method, oversizeCode, reason, undefined, socket.url);
    }
  }
}

/** Absence and crowds end; what a node that is there can not answer may never get better. */
function mostRefusals(error: RpcError, { patienceMs }: Patience): number {
  if (patienceMs !== Infinity) return maxRefusals;
  return isInternal(error) ? maxFailures : Infinity;
}
