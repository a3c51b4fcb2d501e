import type { Hex } from '../codec/index.ts';
import { RelayError } from '../errors/index.ts';
import { RecentMap } from './recent-map.ts';

export interface AnswerQueueOptions {
  /** Answers on their way at once. Default 512. */
  readonly limit?: number;
  /** Those to one asker. Default 32. */
  readonly perAsker?: number;
  /** Those to one asker whose answers do not arrive. Default 4. */
  readonly perAbsent?: number;
  /** Answers to an asker do not arrive where none has for so long, ms. Default 5 000. */
  readonly absentMs?: number;
}

interface Asker {
  count: number;
  /** It takes answers, or was not yet seen not to. */
  isPresent: boolean;
  timer: ReturnType<typeof setTimeout> | undefined;
}

const defaults = { limit: 512, perAsker: 32, perAbsent: 4, absentMs: 5_000 };
const maxRemembered = 10_000;

/**
 * Answers on their way. Where they go is the asker's word, and may lead nowhere: whoever asks such questions gets a few
 * answers tried at a time and loses the others, and takes no place of the handlers, so that it holds up nobody else.
 */
export class AnswerQueue {
  readonly #options: typeof defaults;
  readonly #askers = new Map<Hex, Asker>();
  /** Whether the last answer to an asker arrived. */
  readonly #arrived = new RecentMap<Hex, boolean>(maxRemembered);
  readonly #underWay = new Set<Promise<void>>();
  #changed: () => void = () => undefined;
  #change = this.#nextChange();

  constructor(options: AnswerQueueOptions = {}) {
    this.#options = { ...defaults, ...options };
  }

  /**
   * Begins to answer when there is room, and resolves then. `deliver` gives whether the answer arrived; it must not reject.
   * Throws reply-undelivered where answers to this asker do not arrive and enough of them wait; aborted.
   */
  async begin(to: Hex, deliver: () => Promise<boolean>, signal: AbortSignal): Promise<void> {
    const { limit, perAsker, perAbsent } = this.#options;
    for (;;) {
      if (signal.aborted) throw new RelayError('aborted', { cause: signal.reason });
      const asker = this.#askers.get(to) ?? this.#newAsker(to);
      if (!asker.isPresent && asker.count >= perAbsent)
        throw new RelayError('reply-undelivered', {
          details: { to, reason: `${asker.count} answers to it are under way, and none arrives` },
        });
      if (asker.count < perAsker && this.#underWay.size < limit) {
        this.#run(to, asker, deliver);
        return;
      }
      await this.#change;
    }
  }

  /** Resolves when none is under way. */
  async idle(): Promise<void> {
    this.#tell();
    while (this.#underWay.size > 0) await Promise.all(this.#underWay);
  }

  #newAsker(to: Hex): Asker {
    return { count: 0, isPresent: this.#arrived.get(to) !== false, timer: undefined };
  }

  #run(to: Hex, asker: Asker, deliver: () => Promise<boolean>): void {
    this.#askers.set(to, asker);
    asker.count += 1;
    asker.timer ??= this.#watch(asker);
    const work = deliver().then((hasArrived) => {
      this.#underWay.delete(work);
      asker.count -= 1;
      this.#arrived.set(to, hasArrived);
      asker.isPresent = hasArrived;
      clearTimeout(asker.timer);
      asker.timer = asker.count > 0 && hasArrived ? this.#watch(asker) : undefined;
      if (asker.count === 0) this.#askers.delete(to);
      this.#tell();
    });
    this.#underWay.add(work);
  }

  #watch(asker: Asker): ReturnType<typeof setTimeout> {
    return setTimeout(() => {
      asker.isPresent = false;
      this.#tell();
    }, this.#options.absentMs);
  }

  #tell(): void {
    this.#changed();
    this.#change = this.#nextChange();
  }

  #nextChange(): Promise<void> {
    return new Promise((resolve) => (this.#changed = resolve));
  }
}
