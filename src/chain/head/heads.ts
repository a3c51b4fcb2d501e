import { Observable } from 'rxjs';
import { asRelayError } from '../../errors/index.ts';
import { anySignal, throwIfAborted } from '../abort.ts';
import type { BlockNumber } from '../block-number.ts';
import type { Finality, Head, HeadEvent, HeadsOptions } from './head.ts';
import type { Connection } from '../rpc/connection.ts';
import type { HeadReader } from './head-reader.ts';
import type { HeaderChain } from './header-chain.ts';
import { LatestValue } from './latest-value.ts';
import type { NewestHead } from './newest-heads.ts';
import { BranchWitness } from '../quorum/branch-witness.ts';
import type { Quorum } from '../quorum/quorum.ts';
import type { OtherEndpoints } from '../rpc/other-endpoints.ts';
import type { SeenBranch } from './seen-branch.ts';
import { walkBest } from './walk-best.ts';
import { walkFinalized } from './walk-finalized.ts';

export interface HeadSources {
  readonly connection: Connection;
  readonly endpoints: OtherEndpoints;
  readonly reader: HeadReader;
  readonly quorum: Quorum;
  readonly headers: HeaderChain;
  readonly newest$: Readonly<Record<Finality, Observable<NewestHead>>>;
}

/** Pulled: a slow consumer holds the reading back. Ends by returning, by the signal (throws aborted) or with the chain. */
export async function* walkHeads(
  { connection, endpoints, reader, quorum, headers, newest$ }: HeadSources,
  { finality = 'finalized', from, after, agreed = false }: HeadsOptions,
  callerSignal: AbortSignal | undefined,
): AsyncGenerator<HeadEvent, never> {
  const leaving = new AbortController();
  const signal = anySignal(callerSignal, connection.stopped, leaving.signal);
  throwIfAborted(signal);
  using newest = new LatestValue(newest$[finality], () => connection.stopped.reason as unknown);
  const start = { from, after };
  try {
    if (finality === 'best') {
      const witness = (branch: SeenBranch): BranchWitness =>
        new BranchWitness({ connection, endpoints, branch, signal });
      return yield* walkBest({ connection, reader, witness }, newest, start, signal);
    }
    const { timeoutMs } = connection.options;
    const trusted = async (told: Head, number: BlockNumber, isFirst: boolean): Promise<Head> => {
      if (!agreed || quorum.trust === 'single') return told;
      const { hash } = await quorum.newest(number, isFirst ? { signal, patienceMs: timeoutMs } : { signal });
      // Its hash was taken of the header that came with it: another look at that would show the same.
      return hash === told.hash ? told : reader.byHash(hash, { signal, patienceMs: Infinity });
    };
    return yield* walkFinalized({ connection, headers, trusted }, newest, start, signal);
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
