import { isRelayError } from '../errors/index.ts';
import { letGo } from '../signals/index.ts';
import type { Work } from './work.ts';

/** Of one wait, where others are to have theirs. */
const turnMs = 15_000;
/** Before it is begun again where waiting failed; doubles. */
const retryMs = 1_000;
/** Longest of these pauses. */
const maxRetryMs = 60_000;

/** Between looks, whatever the time: a clock may be set, and a timer of 2^31 ms or more fires at once. */
const maxPauseMs = 3_600_000;

/** Beginning again is in vain. */
const final: ReadonlySet<string> = new Set(['login-refused', 'endpoint-refused', 'wrong-chain', 'client-stopped']);

/** Something that is waited for elsewhere, for as long as it takes. */
export interface Wait {
  /** When it is given up, Unix ms. */
  until: number;
  /** Until the signal ends it; it may begin again later. */
  wait(signal: AbortSignal): Promise<void>;
}

interface Turn {
  readonly ended: AbortController;
  readonly over: Promise<void>;
  /** When others may have it, Unix ms. */
  readonly until: number;
}

interface Waiting<W> {
  readonly wait: W;
  /** In a row. */
  failures: number;
  /** After a failure, Unix ms. */
  restsUntil: number;
  turn: Turn | undefined;
  /** It is not begun again, and remembered until its time is over. */
  isInVain: boolean;
}

/** Waits of which some go on at a time; where there are more, they take turns. What fails begins again after a pause. */
export class WaitsInTurn<K, W extends Wait> {
  readonly #work: Pick<Work, 'now' | 'signal' | 'setback'>;
  readonly #mostAtOnce: number;
  /** In the order of their turns. */
  readonly #all = new Map<K, Waiting<W>>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isLooking = false;

  constructor(work: Pick<Work, 'now' | 'signal' | 'setback'>, mostAtOnce: number) {
    this.#work = work;
    this.#mostAtOnce = mostAtOnce;
  }

  /** What may still come to something. */
  get(key: K): W | undefined {
    const waiting = this.#all.get(key);
    return waiting?.isInVain === false ? waiting.wait : undefined;
  }

  /** Also what was in vain. */
  has(key: K): boolean {
    return this.#all.has(key);
  }

  /** It begins with the next {@link look}. */
  add(key: K, wait: W): void {
    this.#all.set(key, { wait, failures: 0, restsUntil: 0, turn: undefined, isInVain: false });
  }

  entries(): (readonly [K, W])[] {
    return [...this.#all].map(([key, { wait }]) => [key, wait]);
  }

  end(key: K): void {
    this.#all.get(key)?.turn?.ended.abort();
    this.#all.delete(key);
  }

  /** What failed may succeed now. */
  tryAgain(): void {
    for (const waiting of this.#all.values()) if (!waiting.isInVain) waiting.restsUntil = 0;
    this.look();
  }

  /** Soon, however often it is called: ends what is over, and gives turns to whose turn it is. */
  look(): void {
    if (this.#isLooking) return;
    this.#isLooking = true;
    queueMicrotask(() => {
      this.#isLooking = false;
      if (!this.#work.signal.aborted) this.#look();
    });
  }

  /** The signal of the outbox has fired. */
  async stop(): Promise<void> {
    clearTimeout(this.#timer);
    const all = [...this.#all];
    for (const [key] of all) this.end(key);
    for (const [, { turn }] of all) await turn?.over;
  }

  /** Comes again when something may change. */
  #look(): void {
    clearTimeout(this.#timer);
    const now = this.#work.now();
    let next = Infinity;
    const here: Turn[] = [];
    const ready: (readonly [K, Waiting<W>])[] = [];
    for (const [key, waiting] of this.#all) {
      const { wait, turn, restsUntil } = waiting;
      if (wait.until <= now) {
        this.end(key);
        continue;
      }
      next = Math.min(next, wait.until);
      if (turn !== undefined) here.push(turn);
      else if (restsUntil <= now) ready.push([key, waiting]);
      else next = Math.min(next, restsUntil);
    }
    const free = Math.max(0, this.#mostAtOnce - here.length);
    for (const [key, waiting] of ready.slice(0, free)) this.#begin(key, waiting, now);
    // Of those whose time is over as many give way as wait for a turn.
    let left = ready.length - free;
    for (const { ended, until } of left > 0 ? here : [])
      if (until > now) next = Math.min(next, until);
      else if (left-- > 0) ended.abort();
    if (next === Infinity) return;
    this.#timer = setTimeout(
      () => {
        this.look();
      },
      Math.min(maxPauseMs, Math.max(0, next - now) + 1),
    );
    letGo(this.#timer);
  }

  #begin(key: K, waiting: Waiting<W>, now: number): void {
    const ended = new AbortController();
    const until = now + turnMs;
    const over = waiting.wait
      .wait(ended.signal)
      .catch((error: unknown) => {
        if (ended.signal.aborted) return;
        if (this.#work.now() >= until) waiting.failures = 0;
        waiting.isInVain = isRelayError(error) && final.has(error.code);
        this.#work.setback(error);
      })
      .finally(() => {
        if (waiting.isInVain) waiting.restsUntil = Infinity;
        else if (!ended.signal.aborted) waiting.restsUntil = this.#work.now() + backoffMs(waiting.failures++);
        waiting.turn = undefined;
        // Last in the order, unless it has ended.
        if (this.#all.get(key) === waiting && this.#all.delete(key)) this.#all.set(key, waiting);
        this.look();
      });
    waiting.turn = { ended, over, until };
  }
}

function backoffMs(failures: number): number {
  return Math.min(maxRetryMs, retryMs * 2 ** failures);
}
