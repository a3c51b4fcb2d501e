import { systemClock, type Chain, type Head, type HeadEvent } from '../chain/index.ts';
import { ready as cryptoReady, verifyBatch } from '../crypto/index.ts';
import { asRelayError, isRelayError, RelayError } from '../errors/index.ts';
import type { ChangeSource } from './change-source.ts';
import { EitherSource } from './either-source.ts';
import { EpochStore } from './epoch-store.ts';
import { firstWithState } from './first-with-state.ts';
import { HintSource } from './hint-source.ts';
import { ProofSource } from './proof-source.ts';
import { StateSaver } from './state-saver.ts';
import { StateStore, type StoredState } from './state-store.ts';
import { checkWatch, type WatchOptions } from './watch-options.ts';
import { WorkerFollower } from './worker-follower.ts';
import { createView } from './worker-state-view.ts';
import type { WorkerStateWatch } from './worker-state.ts';
import { WorkerTable } from './worker-table.ts';

/** Between two attempts to read a block while no node answers, ms. */
const retryMs = 1_000;
/** … and at most, where all of them refuse: it doubles each time. */
const maxRetryMs = 30_000;
/** Refusals of one block's requests with which a watch can not begin, after which it gives up: a quarter of an hour. */
const maxRefusals = 35;
/** Blocks in a row that nobody has the state of, with which a watch can not begin, after which it gives up. */
const maxUnknown = 10;
/** Times that a block's storage may make no sense: each time another endpoint is asked, where there is one. */
const maxUnreadable = 3;

const silent = { debug: () => undefined, warn: () => undefined };

/** Starts at once; `ready` resolves when the snapshot stands. The chain stays the caller's. Throws bad-value. */
export function watchWorkerState(chain: Chain, options: WatchOptions = {}): WorkerStateWatch {
  const { finality = 'finalized', store, verifyRecords = verifyBatch, logger = silent, clock = systemClock } = options;
  checkWatch(options);
  const epochs = store && new EpochStore(store, chain.genesisHash);
  const table = new WorkerTable(chain.genesisHash, verifyRecords);
  const hints = (): HintSource => new HintSource({ chain, clock, logger }, options.reconcile);
  const proofs = (): ProofSource => new ProofSource(chain, options.verify === true);
  const either = (): ChangeSource => new EitherSource({ proofs, hints }, { clock, logger });
  const source = options.verify === undefined ? either() : options.verify ? proofs() : hints();
  const follower = new WorkerFollower({
    ...{ table, source, epochs, clock, logger },
    firstWithState: (gone, signal) => firstWithState(chain, gone, newest, signal),
  });
  const states = store && new StateStore(store, chain.genesisHash);
  const saver = states && new StateSaver({ store: states, follower, clock, logger }, options.saveEveryMs);
  let isReady = false;
  let verifying: Promise<void> | undefined;
  const stopping = new AbortController();
  const { signal } = stopping;
  const agreed = options.verify === true && finality === 'finalized';
  // One was agreed on before: endpoints that are away now are waited for.
  const newer = (): Promise<Head> => (agreed ? chain.agreedHead(signal, Infinity) : chain.finalizedHead(signal));
  const newest = (): Promise<Head> => (finality === 'best' ? chain.bestHead(signal) : newer());
  const ready = withResolvers();
  const verified = withResolvers();

  /** Without a node nothing is lost but time: the same block is read again. */
  const patiently = async (read: () => Promise<void>): Promise<void> => {
    for (let refusals = 0, unreadable = 0; ;) {
      let waitMs = retryMs;
      try {
        await read();
        return;
      } catch (error) {
        const isOnce = isRelayError(error, 'bad-storage') && unreadable++ < maxUnreadable;
        if (isRelayError(error, 'rpc-failed') && (isReady || refusals < maxRefusals)) {
          waitMs = Math.min(retryMs * 2 ** refusals++, maxRetryMs);
          logger.warn({ error }, 'a block is read again');
        } else if (isOnce) logger.warn({ error }, 'a block is read again');
        else if (!isRelayError(error, 'chain-unreachable')) throw error;
        await clock.sleep(waitMs, signal);
      }
    }
  };
  /** Whether the view began with a block that the stream has yet to come to. */
  let isAhead = false;
  const isShown = ({ type, head }: HeadEvent): boolean => {
    const { block, hash } = follower.at;
    if (!isAhead) return false;
    if (type === 'retracted' || head.number < block) return true;
    isAhead = false;
    return head.hash === hash;
  };
  const handle = ({ type, head }: HeadEvent): Promise<void> =>
    type === 'head' ? follower.onHead(head, signal) : follower.onRetracted(head, signal);
  const follow = async (): Promise<void> => {
    if (verifyRecords === verifyBatch) await cryptoReady();
    for (const [number, page] of (await epochs?.load()) ?? []) table.remember(number, page);
    let stored = await states?.load();
    const resume = async (earlier: StoredState, head: Head): Promise<void> => {
      try {
        await follower.resume(earlier, head, newer, signal);
      } catch (error) {
        // Where it does not work out all is read; a node that is away or refuses says nothing about it.
        if (!isRelayError(error, 'chain-unreachable') && !isRelayError(error, 'rpc-failed')) stored = undefined;
        throw error;
      }
      saver?.resumed();
    };
    const beginAt = async (head: Head): Promise<void> => {
      if (stored !== undefined && follower.canResume(stored)) await resume(stored, head);
      else await follower.snapshot(head, newer, signal);
      stored = undefined;
      isReady = true;
      ready.resolve();
      verifying = follower.verifyAll(signal).then(verified.resolve, fail);
    };
    /** A block that one node told of may be made up, and nobody have its state: then with one that is asked for by its hash. */
    const begin = async (told: Head): Promise<void> => {
      try {
        await beginAt(told);
      } catch (error) {
        if (!isRelayError(error, 'state-discarded')) throw error;
        const asked = await newest();
        if (asked.hash === told.hash) throw error;
        await beginAt(asked);
      }
      isAhead = follower.at.block > told.number;
    };
    let unknown = 0;
    for await (const event of chain.headEvents({ finality, agreed }, signal)) {
      if (isReady && isShown(event)) continue;
      if (isReady) await patiently(() => handle(event));
      else if (event.type === 'head')
        try {
          await patiently(() => begin(event.head));
        } catch (error) {
          if (!isRelayError(error, 'state-discarded') || ++unknown === maxUnknown) throw error;
          logger.warn({ error }, 'WorkerState is begun with a later block');
        }
      if (isReady && saver !== undefined) await saver.save();
    }
  };
  const fail = (error: unknown): void => {
    if (signal.aborted) return;
    stopping.abort();
    options.signal?.removeEventListener('abort', onAbort);
    const failure = asRelayError(error, 'worker-state-failed');
    ready.reject(failure);
    verified.reject(failure);
    follower.end(failure.code === 'chain-stopped' ? undefined : failure);
  };
  const following = follow().catch(fail);

  let stopped: Promise<void> | undefined;
  const stop = (): Promise<void> => {
    stopped ??= (async () => {
      const reason = new RelayError('worker-state-stopped');
      stopping.abort(reason);
      options.signal?.removeEventListener('abort', onAbort);
      ready.reject(reason);
      verified.reject(reason);
      await following;
      await verifying; // what it stores is stored when this is over
      if (isReady) await saver?.save(true);
      follower.end();
    })();
    return stopped;
  };
  const onAbort = (): void => void stop();
  if (options.signal?.aborted === true) void stop();
  else options.signal?.addEventListener('abort', onAbort, { once: true });

  return {
    state: createView(table, () => follower.at, ready.promise),
    changes$: follower.changes$,
    at$: follower.at$,
    steps: (signal) => follower.steps(signal),
    ready: ready.promise,
    verified: verified.promise,
    get stats() {
      return { ...follower.stats, trust: agreed ? chain.trust : 'single' };
    },
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

/** A promise whose rejection nobody has to await. */
function withResolvers(): { promise: Promise<void>; resolve: () => void; reject: (error: unknown) => void } {
  let resolve: () => void = () => undefined;
  let reject: (error: unknown) => void = () => undefined;
  const promise = new Promise<void>((onResolve, onReject) => {
    resolve = onResolve;
    reject = onReject;
  });
  promise.catch(() => undefined);
  return { promise, resolve, reject };
}
