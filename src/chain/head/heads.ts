import { Observable } from 'rxjs';
import { asRelayError } from '../../errors/index.ts';
import { anySignal, throwIfAborted } from '../abort.ts';
import type { Finality, HeadEvent, HeadsOptions } from '../chain.ts';
import type { Connection } from '../rpc/connection.ts';
import type { HeadReader } from './head-reader.ts';
import { LatestValue } from './latest-value.ts';
import type { NewestHead } from './newest-heads.ts';
import type { Quorum } from '../quorum/quorum.ts';
import { walkAgreed } from './walk-agreed.ts';
import { walkBest } from './walk-best.ts';
import { walkFinalized } from './walk-finalized.ts';

export interface HeadSources {
  readonly connection: Connection;
  readonly reader: HeadReader;
  readonly quorum: Quorum;
  readonly newest$: Readonly<Record<Finality, Observable<NewestHead>>>;
}

/** Pulled: a slow consumer holds the reading back. Ends by returning, by the signal (throws aborted) or with the chain. */
export async function* walkHeads(
  { connection, reader, quorum, newest$ }: HeadSources,
  { finality = 'finalized', from, after, agreed = false }: HeadsOptions,
  callerSignal: AbortSignal | undefined,
): AsyncGenerator<HeadEvent, never> {
  const leaving = new AbortController();
  const signal = anySignal(callerSignal, connection.stopped, leaving.signal);
  throwIfAborted(signal);
  using newest = new LatestValue(newest$[finality], () => connection.stopped.reason as unknown);
  const start = { from, after };
  try {
    if (finality === 'best') return yield* walkBest(reader, newest, start, signal);
    if (!agreed) return yield* walkFinalized(reader, newest, start, signal);
    return yield* walkAgreed({ reader, quorum, timeoutMs: connection.options.timeoutMs }, newest, start, signal);
  } finally {
    leaving.abort();
  }
}

/** Pushed: for consumers that keep up. Completes when the chain is stopped. */
export function heads$(sources: HeadSources, options: HeadsOptions): Observable<HeadEvent> {
  return new Observable((subscriber) => {
    const leaving = new AbortController();
    const push = async (): Promise<void> => {
      try {
        for await (const event of walkHeads(sources, options, leaving.signal)) subscriber.next(event);
      } catch (error) {
        if (leaving.signal.aborted) return;
        const failure = asRelayError(error, 'rpc-failed', { method: 'heads' });
        if (failure.code === 'chain-stopped') subscriber.complete();
        else subscriber.error(failure);
      }
    };
    void push();
    return () => {
      leaving.abort();
    };
  });
}
