import type { Inclusion } from '../chain/index.ts';
import { isRelayError, type RelayError } from '../errors/index.ts';
import { LinkedAbort, letGo, pause } from '../signals/index.ts';
import type { Flight } from './flight.ts';
import type { FlightLog } from './flight-log.ts';
import { isBadSequence } from './bad-sequence.ts';
import type { SendId } from './send-id.ts';
import type { ChainWork } from './work.ts';

/** The extrinsic can not come in any more. */
const lost: ReadonlySet<string> = new Set(['extrinsic-expired', 'nonce-conflict']);
/** Before an extrinsic is looked for again after the chain or the store was out of reach. */
const retryMs = 1_000;
/** In no block for so long, it is in the way of what waits behind it. */
const patienceMs = 60_000;

/** An extrinsic that is followed. */
export interface Tracked {
  flight: Flight;
  /** In a best block: the next extrinsic may follow. */
  isInBlock: boolean;
  /** It has been in no block for long. */
  isSlow: boolean;
  patience: ReturnType<typeof setTimeout> | undefined;
  readonly untracked: AbortController;
  /** What is written of it, one after the other. */
  writing: Promise<void>;
}

/** The extrinsics under way, each followed to its end. */
export class Flights {
  readonly #work: ChainWork;
  readonly #log: FlightLog;
  readonly #onOutcome: (flight: Flight, isBadSequence: boolean) => void;
  readonly #tracked = new Map<SendId, Tracked>();
  readonly #following = new Set<Promise<void>>();

  /** `onOutcome`: of an extrinsic in a block, whether all in it came to nothing for a sequence that was used. */
  constructor(work: ChainWork, log: FlightLog, onOutcome: (flight: Flight, isBadSequence: boolean) => void) {
    this.#work = work;
    this.#log = log;
    this.#onOutcome = onOutcome;
  }

  /** Whether one of them is in no block yet. */
  get isAnyOpen(): boolean {
    return [...this.#tracked.values()].some(({ isInBlock }) => !isInBlock);
  }

  /** This very one: another may have its id by now. */
  has(tracked: Tracked): boolean {
    return this.#tracked.get(tracked.flight.id) === tracked;
  }

  members(): Set<SendId> {
    return new Set([...this.#tracked.values()].flatMap(({ flight }) => flight.members));
  }

  track(flight: Flight): Tracked {
    const tracked: Tracked = {
      ...{ flight, isInBlock: false, isSlow: false, patience: undefined },
      ...{ untracked: new AbortController(), writing: Promise.resolve() },
    };
    this.#tracked.set(flight.id, tracked);
    this.#isIn(tracked, false);
    return tracked;
  }

  untrack(tracked: Tracked): void {
    clearTimeout(tracked.patience);
    this.#tracked.delete(tracked.flight.id);
    tracked.untracked.abort();
    this.#work.wake();
  }

  follow(tracked: Tracked): void {
    const following = this.#run(tracked).finally(() => this.#following.delete(following));
    this.#following.add(following);
  }

  /** Resolves when nothing is under way in this process; the signal of the work ends it. */
  async stop(): Promise<void> {
    for (const { patience } of this.#tracked.values()) clearTimeout(patience);
    await Promise.allSettled(this.#following);
    await Promise.allSettled([...this.#tracked.values()].map(({ writing }) => writing));
  }

  /** Whether it is in a block. Where it has long been in none, what waits behind it may go another way. */
  #isIn(tracked: Tracked, isInBlock: boolean): void {
    tracked.isInBlock = isInBlock;
    clearTimeout(tracked.patience);
    if (isInBlock && tracked.isSlow) this.#work.unstuck();
    if (isInBlock || this.#work.signal.aborted) return;
    tracked.patience = setTimeout(() => {
      tracked.isSlow = true;
      this.#work.stuck();
    }, patienceMs);
    letGo(tracked.patience);
  }

  async #run(tracked: Tracked): Promise<void> {
    using ended = new LinkedAbort(this.#work.signal, tracked.untracked.signal);
    while (!(await this.#isOver(tracked, ended.signal))) await pause(retryMs, ended.signal);
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
      if (!isRelayError(error) || !(lost.has(error.code) || error.code === 'fate-unknown')) {
        this.#work.setback(error);
        return false;
      }
      return this.#isGiven(tracked, error);
    }
  }

  /** False: the store was out of reach. */
  async #isGiven(tracked: Tracked, error: RelayError): Promise<boolean> {
    try {
      await this.#write(tracked, async () => {
        // What became of a worker's messages is found out one by one.
        const isUnknown = error.code === 'fate-unknown' && tracked.flight.as === 'account';
        const { flight } = tracked;
        // A sequence guards itself. Where finality lags, a reorg may give an account's its blocks back.
        const isDead = flight.as === 'worker' || error.code !== 'extrinsic-expired';
        await (isUnknown ? this.#log.lostSight(flight, error) : this.#log.requeue(flight, { isDead }));
        this.untrack(tracked);
      });
      return true;
    } catch (failure) {
      this.#work.setback(failure);
      return false;
    }
  }

  /** One after the other, until it is let go: what blocks say of it then is nobody's. */
  #write(tracked: Tracked, work: () => Promise<void>): Promise<void> {
    const written = tracked.writing.then(() => (this.has(tracked) ? work() : undefined));
    tracked.writing = written.catch(() => undefined);
    return written;
  }

  async #included(tracked: Tracked, inclusion: Inclusion | undefined): Promise<void> {
    const { flight } = tracked;
    // Nothing of a worker follows before it is known what becomes of this.
    const isAgain = inclusion !== undefined && mayComeAgain(flight, inclusion);
    this.#isIn(tracked, inclusion !== undefined && !isAgain);
    if (inclusion !== undefined)
      this.#onOutcome(flight, inclusion.failure !== undefined && isBadSequence(inclusion.failure));
    if (isAgain) await this.#again(tracked);
    else if (inclusion?.failure === undefined) await this.#log.included(flight, inclusion);
    this.#work.wake();
  }

  async #finalized(tracked: Tracked, inclusion: Inclusion): Promise<void> {
    const { flight } = tracked;
    if (mayComeAgain(flight, inclusion)) {
      await this.#again(tracked);
      return;
    }
    await this.#log.finalized(flight, inclusion);
    this.untrack(tracked);
  }

  async #again(tracked: Tracked): Promise<void> {
    // A reorg may take its block.
    await this.#log.requeue(tracked.flight, { isDead: false });
    this.untrack(tracked);
  }
}

/**
 * A worker's sequence guards itself: what is signed can be posted again at once where it did not fit, and where nobody knows
 * whether it did, blocks are searched for it. An account's messages have nothing to fail of once they are in a block.
 */
function mayComeAgain({ as }: Flight, { failure, isOutcomeUnknown = false }: Inclusion): boolean {
  return as === 'worker' && (isOutcomeUnknown || (failure !== undefined && isBadSequence(failure)));
}
