interface Excused {
  /** Words of the injections that bring it about, of each of which one was made. */
  readonly by: readonly string[];
  /** Of so many messages and commands one at the most is excused by it. */
  readonly oneIn: number;
}

const stolen = 'taken out of the pool';
const otherSoftware = 'other software of a worker';

/** What would break a promise by itself, and is not held against a run that has brought it about (docs/outbox.md, Limits). */
const excuses = {
  'came late: a reorg took its block, and others post as its account': { by: ['reorg'], oneIn: 5 },
  'came early: others posted it, and other software used the sequence of one before it': {
    ...{ by: [stolen, otherSoftware], oneIn: 20 },
  },
  'came late: posted again, since a gap hid its own block': { by: ['pruned'], oneIn: 20 },
  'stands in blocks as often as it was posted again as its account': { by: ['as their account'], oneIn: 20 },
  'stands in blocks twice: sealed again while others had what was sealed before': {
    ...{ by: [stolen, otherSoftware], oneIn: 20 },
  },
  'stands in blocks twice: nobody could know whether it came in, since others used its sequence': {
    ...{ by: ['pruned', otherSoftware], oneIn: 20 },
  },
  'failed: nobody can know whether it came in, since others used its sequence': { by: [otherSoftware], oneIn: 20 },
  'is a command of blocks that were forgotten while its recipient was kept away': { by: ['pruned'], oneIn: 2 },
} as const satisfies Record<string, Excused>;

export type Excuse = keyof typeof excuses;

/** How often each was made use of. */
export class Excuses {
  readonly #times = new Map<Excuse, number>();

  get all(): readonly (readonly [Excuse, number])[] {
    return [...this.#times].sort(([a], [b]) => a.localeCompare(b));
  }

  add(excuse: Excuse, times = 1): void {
    if (times > 0) this.#times.set(excuse, (this.#times.get(excuse) ?? 0) + times);
  }

  addAll(other: Excuses): void {
    for (const [excuse, times] of other.all) this.add(excuse, times);
  }

  /** Those that nothing brought about, and those of too many for the run to say anything; `sent`: messages and commands. */
  broken(injected: ReadonlyMap<string, number>, sent: number): string[] {
    return this.all.flatMap(([excuse, times]) => {
      const { by, oneIn } = excuses[excuse];
      const isMade = (words: string): boolean =>
        [...injected].some(([name, count]) => count > 0 && name.includes(words));
      const missing = by.filter((words) => !isMade(words));
      if (missing.length > 0)
        return [`${times} × ${excuse}: excused, and nothing was injected that is called "${missing.join('", "')}"`];
      return times * oneIn > sent ? [`${times} × ${excuse}: too many of ${sent} are excused`] : [];
    });
  }
}
