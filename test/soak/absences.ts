import type { Player } from './player.ts';

/** After the node was away for so long a process gives up, ms; and as much more as a slow machine takes to notice. */
const patienceMs = 60_000;
const slackMs = 15_000;

interface Absence {
  /** undefined: for all. */
  readonly player: Player | undefined;
  /** Unix ms; undefined: it is away. */
  until: number | undefined;
}

/** When the run has had the node away, or out of reach of a process: only then may one end for want of it. */
export class Absences {
  readonly #all: Absence[] = [];

  /** While `work` runs, and whatever comes of it, the node is away for a process, or for all. */
  async during<T>(player: Player | undefined, work: () => Promise<T>): Promise<T> {
    const absence: Absence = { player, until: undefined };
    this.#all.push(absence);
    try {
      return await work();
    } finally {
      absence.until = Date.now();
    }
  }

  /** Whether a process may have ended now for want of the node. */
  excuse(player: Player): boolean {
    const since = Date.now() - patienceMs - slackMs;
    return this.#all.some(({ player: whose, until = Infinity }) => until >= since && (whose ?? player) === player);
  }
}
