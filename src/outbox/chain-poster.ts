import type { SignedExtrinsic } from '../chain/index.ts';
import { asRelayError, type RelayError } from '../errors/index.ts';
import { isBadSequence } from './bad-sequence.ts';
import { accountBatch, callsOf, type Batch } from './batch.ts';
import { FlightLog } from './flight-log.ts';
import { Flights, type Tracked } from './flights.ts';
import { RefusedExtrinsics, type PostingConstraints } from './refused-extrinsics.ts';
import { Unpaid } from './unpaid.ts';
import type { ChainWork } from './work.ts';
import { WorkerSequencer } from './worker-sequencer.ts';

/** Larger batches are cut by the limits of the block. */
const mostMessages = 4_096;

/** Something is wrong with the extrinsic itself: the same again would fare no better. All else is the transport's fault. */
const faults: ReadonlySet<string> = new Set([
  ...['extrinsic-rejected', 'bad-topic', 'no-calls', 'sudo-required', 'dispatch-failed'],
]);
/** The node did not take it, and will when something else has changed. */
const notTaken: ReadonlySet<string> = new Set([
  ...['pool-full', 'nonce-conflict', 'balance-too-low', 'chain-forked', 'node-behind'],
]);
/** Others were faster with the nonce, or another node was asked than the one before: the next block mostly mends it. */
const conflicts: ReadonlySet<string> = new Set(['nonce-conflict', 'chain-forked', 'node-behind']);
/** So many of those, in a row, before it is told. */
const quietConflicts = 12;

/**
 * Posts messages in extrinsics of one account, one at a time until it is in a block: so whatever becomes of one, none that
 * came later is before it. Every extrinsic is stored before a node gets it; after a crash, blocks are searched for those
 * bytes, and the same bytes are posted again where no block has them (Chain.follow).
 */
export class ChainPoster {
  readonly #work: ChainWork;
  readonly #sequencer: WorkerSequencer;
  readonly #log: FlightLog;
  readonly #flights: Flights;
  readonly #refusals: RefusedExtrinsics;
  readonly #unpaid: Unpaid;
  #conflicts = 0;
  #mostMessages = mostMessages;
  #mostOfWorker = mostMessages;
  #turn: 'worker' | 'account' = 'worker';

  constructor(work: ChainWork) {
    this.#work = work;
    this.#sequencer = new WorkerSequencer(work);
    this.#unpaid = new Unpaid(work);
    this.#refusals = new RefusedExtrinsics(work, (id) => {
      this.#sequencer.forget(id);
    });
    this.#log = new FlightLog(work, this.#sequencer, this.#refusals);
    this.#flights = new Flights(work, this.#log, ({ as, members }, isBadSequence) => {
      if (as === 'worker') this.#noteOutcome(members.length, isBadSequence);
    });
  }

  /** Takes up what an earlier process left under way. */
  async load(): Promise<void> {
    await this.#work.chainStore.nameAccounts();
    await this.#sequencer.load();
    await this.#refusals.load();
    const flights = await this.#work.chainStore.flights();
    flights.sort((a, b) => a.extrinsic.nonce - b.extrinsic.nonce);
    for (const flight of flights) this.#flights.follow(this.#flights.track(flight));
  }

  /** What could not be paid for is tried at once. */
  tryAgain(): void {
    this.#unpaid.tryAgain();
  }

  /** Posts one extrinsic, if there is something to post and none waits for a block. True: there may be more. */
  async step(): Promise<boolean> {
    try {
      return await this.#postNext();
    } catch (error) {
      this.#work.stuck();
      throw error;
    }
  }

  /** Resolves when nothing is under way in this process; the signal of the work ends it. */
  stop(): Promise<void> {
    return this.#flights.stop();
  }

  async #postNext(): Promise<boolean> {
    if (this.#work.account === undefined || this.#flights.isAnyOpen) return false;
    const refusal = await this.#unpaid.look();
    if (refusal !== undefined) {
      this.#work.setback(refusal);
      return false;
    }
    const { held, isWorkerHeld, ...constraints } = await this.#refusals.look(this.#flights.members());
    for (const as of [this.#turn, this.#turn === 'worker' ? 'account' : 'worker'] as const) {
      if (as === 'worker' && isWorkerHeld) continue;
      const most = Math.min(this.#mostMessages, as === 'worker' ? this.#mostOfWorker : mostMessages);
      const batch = await (as === 'worker'
        ? this.#sequencer.batch(this.#flights.members(), { messages: most })
        : accountBatch(this.#work, { messages: most, held }));
      if (batch === undefined) continue;
      this.#turn = as === 'worker' ? 'account' : 'worker';
      await this.#post(batch, constraints);
      return true;
    }
    return false;
  }

  /**
   * Whoever posts the first message of a batch has all of it come to nothing, and its fee is paid: so what is at stake is
   * halved each time, and doubled where nobody was faster.
   */
  #noteOutcome(messages: number, isBadSequence: boolean): void {
    const most = isBadSequence ? Math.floor(messages / 2) : this.#mostOfWorker * 2;
    this.#mostOfWorker = Math.max(1, Math.min(most, mostMessages));
  }

  async #post(batch: Batch, { nonce, after }: Pick<PostingConstraints, 'nonce' | 'after'>): Promise<void> {
    const { chain, account, tip, signal } = this.#work;
    if (account === undefined) return;
    let tracked: Tracked | undefined;
    const beforePost = async (extrinsic: SignedExtrinsic): Promise<void> => {
      if (tracked === undefined) tracked = this.#flights.track(await this.#log.begin(batch, extrinsic));
      else tracked.flight = await this.#log.signedAnew(tracked.flight, extrinsic);
    };
    try {
      const extrinsic = await chain.post(callsOf(batch), account, {
        // Of a worker's messages all or none: each sequence needs the one before it.
        batch: batch.as === 'worker' ? 'all' : 'each',
        tip,
        beforePost,
        signal,
        ...(nonce !== undefined && { nonce }),
        // A worker's sequence guards itself.
        ...(after !== undefined && batch.as === 'account' && { after }),
      });
      if (tracked === undefined) return;
      this.#conflicts = 0;
      this.#unpaid.paid();
      this.#work.unstuck();
      // The very object: the chain knows which node watches it.
      tracked.flight = { ...tracked.flight, extrinsic };
      this.#mostMessages = mostMessages;
      this.#flights.follow(tracked);
    } catch (error) {
      await this.#refused(batch, tracked, asRelayError(error, 'outbox-setback')).catch((failure: unknown) => {
        // It could not be written down: what is under way is looked after as it stands.
        if (tracked !== undefined && this.#flights.has(tracked)) this.#flights.follow(tracked);
        this.#work.setback(failure);
      });
    }
  }

  async #refused(batch: Batch, tracked: Tracked | undefined, error: RelayError): Promise<void> {
    const { signal, setback, wake } = this.#work;
    const { code } = error;
    const { items, fillers = [] } = batch;
    const calls = items.length + fillers.length;
    if (signal.aborted) {
      // Whoever looks at the queue next finds it there.
      if (code === 'aborted' || notTaken.has(code)) await this.#again(tracked);
      return;
    }
    // Where the account can't pay for all of them, for some it may.
    if ((code === 'extrinsic-too-large' || code === 'balance-too-low') && calls > 1) {
      this.#mostMessages = Math.floor(calls / 2);
      await this.#again(tracked);
      wake();
    } else if (code === 'outbox-changed' || (tracked !== undefined && isBadSequence(error))) {
      // Cancelled by another process, or posted by someone else: what is left is put together again.
      await this.#again(tracked);
      wake();
    } else if (items.length > 0 && (code === 'extrinsic-too-large' || faults.has(code))) {
      await this.#log.failed(items, tracked?.flight, error);
      if (tracked !== undefined) this.#flights.untrack(tracked);
    } else {
      if (tracked === undefined || notTaken.has(code) || items.length === 0) await this.#again(tracked);
      // Whether a node has it is not known.
      else this.#flights.follow(tracked);
      if (code === 'balance-too-low') this.#unpaid.refused(error);
      this.#conflicts = conflicts.has(code) ? this.#conflicts + 1 : 0;
      // What has the nonce comes into a block, and then the next one is free.
      if (this.#conflicts > 0 && this.#conflicts < quietConflicts) this.#work.pause();
      else setback(error);
    }
  }

  /** Where it was not even stored everything is as it was. */
  async #again(tracked: Tracked | undefined): Promise<void> {
    if (tracked === undefined) return;
    await this.#log.requeue(tracked.flight, { isDead: false });
    this.#flights.untrack(tracked);
  }
}
