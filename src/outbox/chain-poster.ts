import type { Inclusion, SignedExtrinsic } from '../chain/index.ts';
import { asRelayError, isRelayError, RelayError } from '../errors/index.ts';
import { accountBatch, type Batch, type BatchItem } from './batch.ts';
import type { Flight } from './flight.ts';
import type { Progress } from './message-record.ts';
import { Change, type Stored } from './outbox-store.ts';
import type { SendId } from './send-id.ts';
import { WorkerLane } from './worker-lane.ts';
import type { Work } from './work.ts';

/** Larger batches are cut by the limits of the block. */
const mostMessages = 4_096;

/** Something is wrong with the extrinsic itself: the same again would fare no better. All else is the way's fault. */
const faults: ReadonlySet<string> = new Set([
  ...['extrinsic-rejected', 'bad-topic', 'no-calls', 'sudo-required', 'dispatch-failed'],
]);
/** The node did not take it, and will when something else has changed. */
const notTaken: ReadonlySet<string> = new Set(['pool-full', 'nonce-conflict', 'balance-too-low']);
/** The extrinsic can not come in any more. */
const lost: ReadonlySet<string> = new Set(['extrinsic-expired', 'nonce-conflict', 'extrinsic-rejected']);

/** A flight in the air. */
interface Tracked {
  flight: Flight;
  /** In a best block: the next extrinsic may follow. */
  isInBlock: boolean;
  readonly landing: AbortController;
  /** What is written of it, one after the other. */
  writing: Promise<void>;
}

/**
 * Posts messages in extrinsics of one account, one at a time until it is in a block: so whatever becomes of one, none that
 * came later is before it. Every extrinsic is stored before a node gets it; after a crash, blocks are searched for those
 * bytes, and the same bytes are posted again where no block has them (Chain.follow).
 */
export class ChainPoster {
  readonly #work: Work;
  readonly #workerLane: WorkerLane;
  readonly #tracked = new Map<SendId, Tracked>();
  readonly #following = new Set<Promise<void>>();
  #mostMessages = mostMessages;
  #turn: 'worker' | 'account' = 'worker';

  constructor(work: Work) {
    this.#work = work;
    this.#workerLane = new WorkerLane(work);
  }

  /** Takes up what an earlier process left under way. */
  async load(): Promise<void> {
    await this.#workerLane.load();
    const flights = await this.#work.store.flights();
    flights.sort((a, b) => a.extrinsic.nonce - b.extrinsic.nonce);
    for (const flight of flights) this.#follow(this.#track(flight));
  }

  /** Posts one extrinsic, if there is something to post and none waits for a block. True: there may be more. */
  async step(): Promise<boolean> {
    if (this.#work.account === undefined) return false;
    if ([...this.#tracked.values()].some(({ isInBlock }) => !isInBlock)) return false;
    for (const as of [this.#turn, this.#turn === 'worker' ? 'account' : 'worker'] as const) {
      const limit = { messages: this.#mostMessages };
      const batch = await (as === 'worker'
        ? this.#workerLane.batch(this.#members(), limit)
        : accountBatch(this.#work, limit));
      if (batch === undefined) continue;
      this.#turn = as === 'worker' ? 'account' : 'worker';
      await this.#post(batch);
      return true;
    }
    return false;
  }

  /** Resolves when nothing is under way in this process; the signal of the work ends it. */
  async stop(): Promise<void> {
    await Promise.allSettled(this.#following);
    await Promise.allSettled([...this.#tracked.values()].map(({ writing }) => writing));
  }

  #members(): Set<SendId> {
    return new Set([...this.#tracked.values()].flatMap(({ flight }) => flight.members));
  }

  async #post(batch: Batch): Promise<void> {
    const { chain, account, tip, signal } = this.#work;
    if (account === undefined) return;
    let tracked: Tracked | undefined;
    const beforePost = async (extrinsic: SignedExtrinsic): Promise<void> => {
      const flight = await this.#store(batch, extrinsic, tracked?.flight);
      if (tracked === undefined) tracked = this.#track(flight);
      else tracked.flight = flight;
    };
    try {
      const calls = batch.items.map(({ call }) => call);
      const extrinsic = await chain.post(calls, account, {
        // Of a worker's messages all or none: each sequence needs the one before it.
        batch: batch.as === 'worker' ? 'all' : 'each',
        tip,
        beforePost,
        signal,
      });
      if (tracked === undefined) return;
      // The very object: the chain knows which node watches it.
      tracked.flight = { ...tracked.flight, extrinsic };
      this.#mostMessages = mostMessages;
      this.#follow(tracked);
    } catch (error) {
      await this.#refused(batch, tracked, asRelayError(error, 'outbox-setback')).catch((failure: unknown) => {
        // It could not be written down: what is under way is looked after as it stands.
        if (tracked !== undefined && this.#tracked.has(tracked.flight.id)) this.#follow(tracked);
        this.#work.setback(failure);
      });
    }
  }

  /** Before a node gets it. */
  async #store(batch: Batch, extrinsic: SignedExtrinsic, former: Flight | undefined): Promise<Flight> {
    const { as, items } = batch;
    const [first] = items;
    if (first === undefined) throw new RelayError('no-calls');
    const flight = { id: first.stored.id, as, members: items.map(({ stored }) => stored.id), extrinsic };
    const change = new Change().fly(flight);
    if (former !== undefined) {
      await this.#work.save(change, [], []);
      return flight;
    }
    const statuses = items.map(({ stored, messageId }) => [stored.id, { state: 'submitted', messageId }] as const);
    items.forEach((item, i) => {
      const [id, progress] = statuses[i] ?? [item.stored.id, item.stored.record.progress];
      change.progress(item.stored, progress).unqueue(id, as);
      if (item.signed !== undefined) change.sign(id, item.signed);
    });
    const isSaved = await this.#work.save(
      change,
      items.map(({ stored }) => stored),
      statuses,
    );
    // One of them was cancelled meanwhile; what is left is put together again.
    if (!isSaved) throw new RelayError('outbox-changed');
    for (const { stored, signed } of items) if (signed !== undefined) this.#workerLane.signed(stored.id, signed);
    return flight;
  }

  async #refused(batch: Batch, tracked: Tracked | undefined, error: RelayError): Promise<void> {
    const { signal, setback, wake } = this.#work;
    if (signal.aborted) return;
    if (error.code === 'extrinsic-too-large') await this.#tooLarge(batch, tracked, error);
    else if (tracked !== undefined && isBadSequence(error)) {
      await this.#requeue(tracked);
      wake();
    } else if (faults.has(error.code)) await this.#fail(batch.items, tracked, error);
    else if (tracked === undefined) {
      // Not even stored: everything is as it was.
      if (error.code === 'outbox-changed') wake();
      else setback(error);
    } else {
      if (notTaken.has(error.code)) await this.#requeue(tracked);
      // Whether a node has it is not known.
      else this.#follow(tracked);
      setback(error);
    }
  }

  async #tooLarge(batch: Batch, tracked: Tracked | undefined, error: RelayError): Promise<void> {
    const { length } = batch.items;
    if (length <= 1) {
      await this.#fail(batch.items, tracked, error);
      return;
    }
    this.#mostMessages = Math.floor(length / 2);
    if (tracked !== undefined) await this.#requeue(tracked);
    this.#work.wake();
  }

  async #fail(items: readonly BatchItem[], tracked: Tracked | undefined, error: RelayError): Promise<void> {
    const members = await this.#current(items.map(({ stored }) => stored.id));
    const change = new Change();
    if (tracked !== undefined) change.land(tracked.flight);
    for (const { id, record } of members) change.unsign(id).unqueue(id, record.as);
    await this.#work.finish(
      members.map((stored) => [stored, { state: 'failed', error }] as const),
      change,
    );
    if (tracked !== undefined) this.#untrack(tracked);
    for (const { id } of members) this.#workerLane.forget(id);
  }

  #track(flight: Flight): Tracked {
    const tracked = { flight, isInBlock: false, landing: new AbortController(), writing: Promise.resolve() };
    this.#tracked.set(flight.id, tracked);
    return tracked;
  }

  #untrack({ flight, landing }: Tracked): void {
    this.#tracked.delete(flight.id);
    landing.abort();
    this.#work.wake();
  }

  #follow(tracked: Tracked): void {
    const following = this.#run(tracked).finally(() => this.#following.delete(following));
    this.#following.add(following);
  }

  async #run(tracked: Tracked): Promise<void> {
    const ended = AbortSignal.any([this.#work.signal, tracked.landing.signal]);
    while (!(await this.#isOver(tracked, ended))) await pause(retryMs, ended);
  }

  /** Follows a flight to its end. False: the chain or the store was out of reach on the way. */
  async #isOver(tracked: Tracked, ended: AbortSignal): Promise<boolean> {
    try {
      const inclusion = await this.#work.chain.follow(tracked.flight.extrinsic, {
        waitFor: 'finalized',
        signal: ended,
        onInclusion: (found) => {
          this.#write(tracked, () => this.#included(tracked, found)).catch(this.#work.setback);
        },
      });
      await this.#write(tracked, () => this.#finalized(tracked, inclusion));
      return true;
    } catch (error) {
      if (ended.aborted) return true;
      if (!isRelayError(error) || !lost.has(error.code)) {
        this.#work.setback(error);
        return false;
      }
    }
    try {
      await this.#write(tracked, () => this.#requeue(tracked));
      return true;
    } catch (error) {
      this.#work.setback(error);
      return false;
    }
  }

  /** One after the other. */
  #write(tracked: Tracked, work: () => Promise<void>): Promise<void> {
    const written = tracked.writing.then(work);
    tracked.writing = written.catch(() => undefined);
    return written;
  }

  /** In a best block, or, where undefined, in none any more. */
  async #included(tracked: Tracked, inclusion: Inclusion | undefined): Promise<void> {
    const { flight } = tracked;
    tracked.isInBlock = inclusion !== undefined;
    if (inclusion !== undefined && mayComeAgain(flight, inclusion)) {
      await this.#requeue(tracked);
      this.#work.wake();
      return;
    }
    if (inclusion?.failure !== undefined) {
      this.#work.wake();
      return;
    }
    const failed = new Set(inclusion?.failures?.map(({ index }) => index));
    const members = await this.#current(flight.members);
    const change = new Change();
    const statuses: (readonly [SendId, Progress])[] = [];
    members.forEach((stored, i) => {
      const { progress } = stored.record;
      if (failed.has(i) || !('messageId' in progress)) return;
      const { messageId } = progress;
      const next: Progress =
        inclusion === undefined
          ? { state: 'submitted', messageId }
          : { state: 'inBlock', messageId, blockHash: inclusion.blockHash, blockNumber: inclusion.blockNumber };
      change.progress(stored, next);
      statuses.push([stored.id, next]);
    });
    await this.#work.save(change, members, statuses);
    this.#work.wake();
  }

  async #finalized(tracked: Tracked, inclusion: Inclusion): Promise<void> {
    const { flight } = tracked;
    if (mayComeAgain(flight, inclusion)) {
      await this.#requeue(tracked);
      return;
    }
    const failures = new Map(inclusion.failures?.map((failure) => [failure.index, failure]));
    const members = await this.#current(flight.members);
    const change = new Change().land(flight);
    const ends = members.map((stored, i): readonly [Stored, Progress] => {
      change.unsign(stored.id);
      const failure = failures.get(i);
      const error =
        inclusion.failure ??
        (failure === undefined
          ? undefined
          : new RelayError('dispatch-failed', {
              details: { pallet: failure.pallet, error: failure.error, docs: 'it stands alone among the batch.' },
            }));
      const { progress } = stored.record;
      if (error !== undefined || !('messageId' in progress))
        return [stored, { state: 'failed', error: error ?? new RelayError('outbox-changed') }];
      const { messageId } = progress;
      const { blockHash, blockNumber } = inclusion;
      return [stored, { state: 'finalized', messageId, blockHash, blockNumber }];
    });
    if (!(await this.#work.finish(ends, change))) throw new RelayError('outbox-changed');
    for (const id of flight.members) this.#workerLane.forget(id);
    this.#untrack(tracked);
  }

  /**
   * Its messages wait again. An account's are sealed anew, to what is then the newest key. A worker's stay as they are
   * signed, until it is known that they can not come in.
   */
  async #requeue(tracked: Tracked): Promise<void> {
    const { flight } = tracked;
    const change = new Change().land(flight);
    const members = await this.#current(flight.members);
    const statuses: (readonly [SendId, Progress])[] = [];
    for (const stored of members) {
      const { progress } = stored.record;
      const isKept = flight.as === 'worker';
      if (isKept && progress.state !== 'inBlock') continue;
      const next: Progress =
        isKept && 'messageId' in progress ? { state: 'submitted', messageId: progress.messageId } : { state: 'queued' };
      change.progress(stored, next);
      if (!isKept) change.queue(stored.id, 'account');
      statuses.push([stored.id, next]);
    }
    if (!(await this.#work.save(change, members, statuses))) throw new RelayError('outbox-changed');
    this.#untrack(tracked);
  }

  /** Records as they are now: only the running outbox changes what is on its way. */
  async #current(ids: readonly SendId[]): Promise<Stored[]> {
    const found = await Promise.all(ids.map((id) => this.#work.store.get(id)));
    return found.filter((stored) => stored !== undefined);
  }
}

/** Before an extrinsic is looked for again after the chain or the store was out of reach. */
const retryMs = 1_000;

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done);
  });
}

/**
 * A worker's sequence guards itself: what is signed can be posted again at once, where it did not fit and where nobody knows
 * any more whether it did. An account's messages have nothing to fail of once they are in a block.
 */
function mayComeAgain({ as }: Flight, { failure, isOutcomeUnknown = false }: Inclusion): boolean {
  return as === 'worker' && (isOutcomeUnknown || (failure !== undefined && isBadSequence(failure)));
}

function isBadSequence({ code, details }: RelayError): boolean {
  return code === 'dispatch-failed' && details?.['pallet'] === 'PhalaMq' && details['error'] === 'BadSequence';
}
