import { Observable, share, ReplaySubject, switchMap } from 'rxjs';
import { isRelayError, RelayError } from '../../errors/index.ts';
import type { Finality, Head } from './head.ts';
import type { Clock } from '../clock.ts';
import type { Connection, Session } from '../rpc/connection.ts';
import type { OtherEndpoints } from '../rpc/other-endpoints.ts';
import type { EndpointBlocks } from '../quorum/endpoint-blocks.ts';
import { expectHash } from '../rpc/expect.ts';
import { ConnectionLost, RpcError } from '../rpc/rpc-error.ts';
import { BlockPace } from './block-pace.ts';
import { headerOf, headerToldOf } from './header-of.ts';
import { toHead, type Header } from './header.ts';
import type { Hex } from '../../codec/index.ts';

/** How long a silent node may take to answer whether it is still there, at most. */
const maxProbeMs = 10_000;
/** … and at least, however short the silence. */
const minProbeMs = 1_000;
/** Sessions in a row that may refuse a subscription, beside one of each endpoint, where none ever took one. */
const maxRefusals = 20;
/** Blocks by which another endpoint must be ahead of a silent one to be used in its place. */
const tolerableLag = 3;

const subscriptions = {
  finalized: { subscribe: 'chain_subscribeFinalizedHeads', unsubscribe: 'chain_unsubscribeFinalizedHeads' },
  best: { subscribe: 'chain_subscribeNewHeads', unsubscribe: 'chain_unsubscribeNewHeads' },
} as const;

/** The newest head that a session told of. Numbers may jump, repeat and, after a reconnect, go back. */
export interface NewestHead {
  readonly head: Head;
  readonly session: number;
  /** Of the endpoint. */
  readonly url: string;
}

export interface HeadWatchParts {
  readonly connection: Connection;
  readonly endpoints: Pick<OtherEndpoints, 'furthestBest'>;
  readonly finalized: Pick<EndpointBlocks, 'furthest'>;
  readonly clock: Clock;
  readonly hashOf: (header: Header) => Hex;
  /** Silence after which the node is asked, ms. Default: a few block times, as they are seen. */
  readonly silenceMs: number | undefined;
}

/**
 * The newest head, over all sessions; one subscription however many listen. Errors only when the connection is given up.
 *
 * A silent subscription is probed with a real call: a chain that makes no blocks is left alone, a socket that is dead or
 * a subscription that the node forgot is replaced, and so is a node that stands still while others go on.
 */
export function newestHeads(parts: HeadWatchParts, finality: Finality): Observable<NewestHead> {
  const pace = new BlockPace(parts.silenceMs);
  const progress = { told: new Map<string, Told>(), refusals: 0 };
  return parts.connection.session$.pipe(
    switchMap((session) => sessionHeads(parts, session, finality, pace, progress)),
    share({ connector: () => new ReplaySubject(1), resetOnRefCountZero: true }),
  );
}

/** The highest head that an endpoint told of. */
interface Told {
  readonly number: number;
  /** How often it had been distrusted until then. */
  readonly distrusts: number;
}

/** Over all sessions. */
interface Progress {
  /** By endpoint. */
  readonly told: Map<string, Told>;
  /** Sessions in a row that refused the subscription. */
  refusals: number;
}

function sessionHeads(
  { connection, endpoints, finalized, clock, hashOf }: HeadWatchParts,
  session: Session,
  finality: Finality,
  pace: BlockPace,
  progress: Progress,
): Observable<NewestHead> {
  return new Observable((subscriber) => {
    const { socket } = session;
    let newest: Header | undefined;
    let watchdog: ReturnType<typeof setTimeout> | undefined;
    /** When a head came that was higher than all before, or the node was asked, ms of the process. */
    let heardAt = 0;
    let end: (() => void) | undefined;

    /** What one told before it was distrusted, or left, counts no more: it may have made it up. */
    const toldBy = (url: string): number => {
      const told = progress.told.get(url);
      const isBelieved = !connection.hasLeft(url) && told?.distrusts === connection.health.distrustsOf(url);
      return isBelieved ? told.number : -1;
    };
    const highest = (): number => {
      let number = -1;
      for (const url of progress.told.keys()) number = Math.max(number, toldBy(url));
      return number;
    };

    const onHeader = (value: unknown): void => {
      try {
        newest = headerToldOf(value, socket.url);
        pace.note(newest.number, clock.now());
        progress.refusals = 0;
        connection.health.tells(socket.url);
        if (finality === 'finalized') connection.noteFinalized(newest.number);
        subscriber.next({ head: toHead(newest, hashOf(newest)), session: session.id, url: socket.url });
        // Whoever says the same again and again stands still, and so does who tells what another one told long ago.
        if (newest.number > highest()) heardAt = performance.now();
        const distrusts = connection.health.distrustsOf(socket.url);
        progress.told.set(socket.url, { number: Math.max(newest.number, toldBy(socket.url)), distrusts });
      } catch (error) {
        giveUp(error, String(error));
      }
    };
    const giveUp = (error: unknown, reason: string): void => {
      if (isRelayError(error, 'node-lies')) connection.leave(socket.url, error);
      else connection.replace(session, reason);
    };
    /** Its newest one by its own word, whatever its subscription tells of. */
    const newestAsked = async (timeoutMs: number): Promise<Header> => {
      const ask = (method: string, ...params: readonly Hex[]): Promise<unknown> =>
        socket.request(method, params, { timeoutMs });
      if (finality === 'best') return headerToldOf(await ask('chain_getHeader'), socket.url);
      const hash = expectHash(await ask('chain_getFinalizedHead'), 'chain_getFinalizedHead');
      return headerOf(hash, await ask('chain_getHeader', hash), socket.url, hashOf);
    };
    const isOver = (): boolean => subscriber.closed;
    const probe = async (): Promise<void> => {
      try {
        const header = await newestAsked(Math.min(maxProbeMs, Math.max(pace.silenceMs, minProbeMs)));
        if (subscriber.closed) return;
        if (header.number > (newest?.number ?? -1)) {
          connection.health.tellsNothing(socket.url);
          connection.replace(session, 'its subscription is silent');
          return;
        }
        const furthest = await (finality === 'finalized' ? finalized.furthest() : endpoints.furthestBest());
        if (isOver()) return;
        if (furthest > header.number + tolerableLag)
          connection.replace(session, `it stands at block ${header.number}, another at ${furthest}`);
        else watch();
      } catch (error) {
        if (!subscriber.closed) giveUp(error, `no sign of life: ${String(error)}`);
      }
    };
    const watch = (): void => {
      heardAt = performance.now();
      watchAgainIn(pace.silenceMs);
    };
    /** One timer for many heads: it is looked at when it fires how long ago the last one came. */
    const watchAgainIn = (ms: number): void => {
      if (subscriber.closed) return;
      watchdog = setTimeout(() => {
        const leftMs = heardAt + pace.silenceMs - performance.now();
        if (leftMs > 1) watchAgainIn(leftMs);
        else void probe();
      }, ms);
    };

    watch();
    socket.subscribe(subscriptions[finality], [], onHeader).then(
      (unsubscribe) => {
        end = unsubscribe;
        if (subscriber.closed) end();
      },
      (error: unknown) => {
        if (error instanceof ConnectionLost) return;
        const reason = error instanceof RpcError ? error.reason : String(error);
        const method = subscriptions[finality].subscribe;
        // Another endpoint, or the same one later, may take it: those that took one before will.
        if (progress.told.size > 0 || ++progress.refusals < maxRefusals + connection.options.endpoints.length) {
          connection.health.failed(socket.url);
          connection.health.tellsNothing(socket.url);
          connection.replace(session, `it refuses ${method}: ${reason}`);
          return;
        }
        progress.refusals = 0;
        subscriber.error(new RelayError('rpc-failed', { details: { method, reason } }));
      },
    );
    return () => {
      clearTimeout(watchdog);
      end?.();
    };
  });
}
