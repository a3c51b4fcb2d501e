import type { Hex } from '../codec/index.ts';
import { RelayError } from '../errors/index.ts';
import { AnswerRoom, type Holder } from './answer-room.ts';
import { RecentMap } from './recent-map.ts';

export interface AnswerQueueOptions {
  /** Answers that are on their way or wait for their turn. Default 4 096. */
  readonly limit?: number;
  /** Bytes of these. Default 64 MiB; one asker has an eighth of it at most, or one answer. */
  readonly limitBytes?: number;
  /** Part of these that may be to askers that are not registered. Above 0, at most 1. Default 0.5. */
  readonly strangerPart?: number;
  /** Those to one asker that are tried at once. Default 32. */
  readonly perAsker?: number;
  /** Those to one asker that is neither registered nor took the last answer. Default 4. */
  readonly perAbsent?: number;
  /** Those to one asker, with what waits, where it did not take the last answer. Default 128. */
  readonly waitingPerNew?: number;
  /** Those to one asker, with what waits, where it did: no more can be waited for at a relay. Default 1 024. */
  readonly waitingPerPresent?: number;
  /** An asker is away where no answer to it arrived for so long, ms. Default 5 000. */
  readonly absentMs?: number;
  /** How long an answer waits for its turn, ms. Default 60 000. */
  readonly patienceMs?: number;
}

/** Who asked, as far as room is concerned. */
export interface AnswerTo {
  readonly id: Hex;
  /** Whether it is a registered worker. */
  readonly registered: boolean;
}

/** An answer that was taken. */
export interface TakenAnswer {
  /** Whether it arrived. Rejects as `deliver` does, with reply-undelivered where its turn did not come, with aborted. */
  readonly over: Promise<boolean>;
}

interface Asker extends AnswerTo, Holder {
  running: number;
  readonly waiting: Set<Waiting>;
  /** No answer has arrived for long. */
  isAway: boolean;
  timer: ReturnType<typeof setTimeout> | undefined;
}

interface Waiting {
  readonly start: () => void;
  readonly giveUp: (error: RelayError) => void;
  readonly signal: AbortSignal;
}

const defaults = {
  ...{
    limit: 4_096,
    limitBytes: 64 * 2 ** 20,
    strangerPart: 0.5,
    perAsker: 32,
    perAbsent: 4,
    waitingPerNew: 128,
    waitingPerPresent: 1_024,
  },
  ...{ absentMs: 5_000, patienceMs: 60_000 },
};
const maxRemembered = 10_000;

/**
 * Answers on their way. Where they go is the asker's word, and may lead nowhere, or be slow: so they wait here for their turn,
 * asker by asker, and not in the place of a handler. Who never took an answer gets a few tried at a time and loses the others
 * when none arrives; who did, or is registered, may be away for a while.
 */
export class AnswerQueue {
  readonly #options: typeof defaults;
  readonly #askers = new Map<Hex, Asker>();
  /** Whether the last answer to an asker arrived. */
  readonly #arrived = new RecentMap<Hex, boolean>(maxRemembered);
  readonly #underWay = new Set<Promise<unknown>>();
  readonly #watched = new WeakSet<AbortSignal>();
  readonly #room: AnswerRoom;

  constructor(options: AnswerQueueOptions = {}) {
    this.#options = { ...defaults, ...options };
    this.#room = new AnswerRoom(this.#options);
  }

  /**
   * Takes an answer; `deliver` gives whether it arrived. Waits only where a registered asker finds the whole queue full. Throws
   * reply-undelivered where the asker has as many as it may, or those that are not registered have; aborted. `bytes`: that it
   * holds.
   */
  async begin(to: AnswerTo, deliver: () => Promise<boolean>, signal: AbortSignal, bytes = 0): Promise<TakenAnswer> {
    const { limit, perAsker } = this.#options;
    for (;;) {
      if (signal.aborted) throw new RelayError('aborted', { cause: signal.reason });
      const asker = this.#askers.get(to.id) ?? this.#newAsker(to);
      const reason = this.#whyFull(asker, bytes);
      if (reason !== undefined) throw undelivered(to.id, reason);
      if (this.#room.has(bytes)) return { over: this.#take(asker, deliver, signal, bytes) };
      if (asker.count >= perAsker) throw undelivered(to.id, `${limit} answers are under way`);
      await this.#room.changed;
    }
  }

  /** Resolves when none is under way. */
  async idle(): Promise<void> {
    this.#room.tell();
    while (this.#underWay.size > 0) await Promise.allSettled(this.#underWay);
  }

  #newAsker({ id, registered }: AnswerTo): Asker {
    const isAway = this.#arrived.get(id) === false;
    return { id, registered, running: 0, count: 0, bytes: 0, waiting: new Set(), isAway, timer: undefined };
  }

  #isTrusted({ id, registered }: Asker): boolean {
    return registered || this.#arrived.get(id) === true;
  }

  #whyFull(asker: Asker, bytes: number): string | undefined {
    const { perAbsent, waitingPerNew, waitingPerPresent } = this.#options;
    const held = asker.count;
    if (asker.isAway && !this.#isTrusted(asker) && held >= perAbsent)
      return `${held} answers to it are under way, and none arrives`;
    const most = this.#arrived.get(asker.id) === true ? waitingPerPresent : waitingPerNew;
    return held >= most ? `${held} answers to it are under way` : this.#room.whyNone(asker, bytes);
  }

  #take(asker: Asker, deliver: () => Promise<boolean>, signal: AbortSignal, bytes: number): Promise<boolean> {
    this.#askers.set(asker.id, asker);
    this.#room.take(asker, bytes);
    const over = new Promise<boolean>((resolve, reject) => {
      const start = (): void => {
        clearTimeout(timer);
        asker.waiting.delete(waiting);
        this.#run(asker, deliver, bytes, { resolve, reject });
      };
      const giveUp = (error: RelayError): void => {
        clearTimeout(timer);
        asker.waiting.delete(waiting);
        this.#release(asker, bytes);
        reject(error);
      };
      const waiting = { start, giveUp, signal };
      asker.waiting.add(waiting);
      const timer = setTimeout(
        giveUp,
        this.#options.patienceMs,
        undelivered(asker.id, 'those before it did not arrive'),
      );
      this.#watchStop(signal);
      this.#startNext(asker);
    });
    // Who took it may look later.
    over.catch(() => undefined);
    return over;
  }

  #startNext(asker: Asker): void {
    const most = this.#isTrusted(asker) ? this.#options.perAsker : this.#options.perAbsent;
    for (const { start } of asker.waiting) {
      if (asker.running >= most) return;
      start();
    }
  }

  #run(
    asker: Asker,
    deliver: () => Promise<boolean>,
    bytes: number,
    { resolve, reject }: { resolve: (hasArrived: boolean) => void; reject: (error: unknown) => void },
  ): void {
    asker.running += 1;
    asker.timer ??= this.#watch(asker);
    const settled = (hasArrived: boolean): void => {
      this.#underWay.delete(work);
      asker.running -= 1;
      this.#arrived.set(asker.id, hasArrived);
      asker.isAway = !hasArrived;
      clearTimeout(asker.timer);
      asker.timer = undefined;
      if (asker.isAway) this.#giveUpWaiting(asker);
      this.#startNext(asker);
      if (asker.running > 0 && hasArrived) asker.timer ??= this.#watch(asker);
      this.#release(asker, bytes);
    };
    const work = deliver().then(
      (hasArrived) => {
        settled(hasArrived);
        resolve(hasArrived);
      },
      (error: unknown) => {
        settled(false);
        reject(error);
      },
    );
    this.#underWay.add(work);
  }

  #watch(asker: Asker): ReturnType<typeof setTimeout> {
    return setTimeout(() => {
      asker.isAway = true;
      this.#giveUpWaiting(asker);
    }, this.#options.absentMs);
  }

  /** Of an asker that never took one. */
  #giveUpWaiting(asker: Asker): void {
    if (this.#isTrusted(asker)) return;
    const error = undelivered(asker.id, `${asker.running} answers to it are under way, and none arrives`);
    for (const { giveUp } of asker.waiting) giveUp(error);
  }

  #watchStop(signal: AbortSignal): void {
    if (this.#watched.has(signal)) return;
    this.#watched.add(signal);
    const stop = (): void => {
      for (const { waiting } of [...this.#askers.values()])
        for (const one of waiting)
          if (one.signal === signal) one.giveUp(new RelayError('aborted', { cause: signal.reason }));
      this.#room.tell();
    };
    signal.addEventListener('abort', stop, { once: true });
  }

  #release(asker: Asker, bytes: number): void {
    this.#room.release(asker, bytes);
    if (asker.count === 0) this.#askers.delete(asker.id);
  }
}

function undelivered(to: Hex, reason: string): RelayError {
  return new RelayError('reply-undelivered', { details: { to, reason } });
}
