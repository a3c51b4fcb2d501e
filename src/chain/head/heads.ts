import { Observable } from 'rxjs';
import { asRelayError } from '../../errors/index.ts';
import type { BlockNumber } from '../block-number.ts';
import type { Finality, Head, HeadEvent, HeadsOptions } from './head.ts';
import type { Connection } from '../rpc/connection.ts';
import type { HeadReader } from './head-reader.ts';
import type { HeaderChain } from './header-chain.ts';
import { listenTo, type Listening } from './listening.ts';
import type { NewestHead } from './newest-heads.ts';
import { BranchWitness } from '../quorum/branch-witness.ts';
import type { EndpointBlocks } from '../quorum/endpoint-blocks.ts';
import type { ForkWitness } from '../quorum/fork-witness.ts';
import { LagPatience } from '../quorum/lag-patience.ts';
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
  readonly forks: ForkWitness;
  /** What each endpoint by itself has finalized. */
  readonly finalized: Pick<EndpointBlocks, 'newest'>;
  readonly headers: HeaderChain;
  readonly newest$: Readonly<Record<Finality, Observable<NewestHead>>>;
}

/** Pulled: a slow consumer holds the reading back. Ends by returning, by the signal (throws aborted) or with the chain. */
export function walkHeads(
  { connection, endpoints, reader, quorum, forks, finalized, headers, newest$ }: HeadSources,
  { finality = 'finalized', from, after, agreed = false }: HeadsOptions,
  callerSignal: AbortSignal | undefined,
): AsyncGenerator<HeadEvent, never> {
  const listen = (): Listening => listenTo(newest$[finality], connection.stopped, callerSignal);
  const start = { from, after };
  const patience = new LagPatience(endpoints, finalized, connection.options.logger);
  if (finality === 'best') {
    const witness = (branch: SeenBranch, signal: AbortSignal): BranchWitness =>
      new BranchWitness({ connection, endpoints, branch, signal });
    return walkBest({ connection, endpoints, reader, witness, patience }, listen, start);
  }
  const isTold = !agreed || quorum.trust === 'single';
  const { timeoutMs } = connection.options;
  const elected = async (told: Head, number: BlockNumber, isFirst: boolean, signal: AbortSignal): Promise<Head> => {
    const { hash } = await quorum.newest(number, isFirst ? { signal, patienceMs: timeoutMs } : { signal });
    // Its hash was taken of the header that came with it: another look at that would show the same.
    return hash === told.hash ? told : reader.byHash(hash, { signal, patienceMs: Infinity });
  };
  const parts = { connection, headers, reader, elected: isTold ? undefined : elected, witness: forks, patience };
  return walkFinalized(parts, listen, start);
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
