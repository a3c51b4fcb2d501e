import type { ChainLogger, Clock } from '../chain/index.ts';
import type { StateStore } from './state-store.ts';
import type { WorkerFollower } from './worker-follower.ts';

const defaultEveryMs = 10_000;

export interface SaverParts {
  readonly store: StateStore;
  readonly follower: WorkerFollower;
  readonly clock: Clock;
  readonly logger: ChainLogger;
}

/** Writes WorkerState to its store now and then. What can't be written costs the next start time, nothing else. */
export class StateSaver {
  readonly #parts: SaverParts;
  readonly #everyMs: number;
  #savedAt = -Infinity;
  #saved = '';
  #isLeft = false;

  constructor(parts: SaverParts, everyMs = defaultEveryMs) {
    this.#parts = parts;
    this.#everyMs = everyMs;
  }

  /** What stands is what the store has, but for what is new since: writing it again can wait until it is time. */
  resumed(): void {
    this.#savedAt = this.#parts.clock.now();
  }

  /** As it stands now, once it is time, or `always`. Only between two blocks. */
  async save(always = false): Promise<void> {
    const { store, follower, clock, logger } = this.#parts;
    const now = clock.now();
    const { hash } = follower.at;
    if (this.#isLeft || hash === this.#saved || (!always && now - this.#savedAt < this.#everyMs)) return;
    this.#savedAt = now;
    try {
      if (await follower.saveTo(store)) this.#saved = hash;
      else {
        this.#isLeft = true;
        logger.warn({}, 'WorkerState is stored by another process, and no longer by this one');
      }
    } catch (error) {
      logger.warn({ error }, 'WorkerState could not be stored');
    }
  }
}
