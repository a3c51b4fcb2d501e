import { backoffMs, type Backoff } from './backoff.ts';

/**
 * done: nothing is left for the key. more: the others have their turn first. again: so they have, and nothing came of it yet, good or
 * bad. failed: again after a pause.
 */
export type TurnOutcome = 'done' | 'more' | 'again' | 'failed';

/** Of keys whose last turn failed, and of those that are likely to. */
export const suspectLane = Symbol('suspect');

export interface KeyedSchedulerOptions<K> {
  /** One turn, in the lane that the key waited in; a rejection is a failure. */
  readonly work: (key: K, lane: Lane) => Promise<TurnOutcome>;
  /** Keys worked on at once. */
  readonly concurrency: number;
  /** Whether `laneOf` can tell. */
  readonly isPrepared?: (key: K) => boolean;
  /** Finds out what `laneOf` tells by, before the key waits for a turn, and takes none. A rejection is told. */
  readonly prepare?: (key: K) => Promise<void>;
  /** What the key's work depends on. Keys of one lane, and those together whose last turn failed, take a part of the turns. */
  readonly laneOf: (key: K) => Lane;
  /** Keys of one lane worked on at once. */
  readonly perLane: number;
  /** Whom the key's work is for. Within a lane groups take turns, however many keys each has, and keys of a group within it. */
  readonly groupOf: (key: K) => string;
  /** Keys of one group worked on at once. */
  readonly perGroup: number;
  /** Pauses after failures of one key. */
  readonly backoff: Backoff;
  readonly failed: (key: K, error: unknown) => void;
}

export type Lane = string | typeof suspectLane;

interface Taken<K> {
  readonly key: K;
  readonly group: string;
}

/** Keys that are prepared at once, in all and of one group. */
const [mostPreparing, mostOfGroup] = [256, 16];

/**
 * Works for one key at most once at a time, for some keys at once, in turns. One that fails waits and holds up no other; nor do
 * many of one lane, or of one group.
 */
export class KeyedScheduler<K> {
  readonly #options: KeyedSchedulerOptions<K>;
  /** Keys that wait for a turn, by lane and group, all in the order of their turns. */
  readonly #ready = new Map<Lane, Map<string, Set<K>>>();
  /** Keys that are to be prepared first, by group. */
  readonly #unprepared = new Map<string, Set<K>>();
  readonly #preparing = new Set<K>();
  readonly #preparingGroups = new Map<string, number>();
  /** All of these. */
  readonly #queued = new Set<K>();
  readonly #working = new Map<K, Promise<void>>();
  readonly #busyLanes = new Map<Lane, number>();
  readonly #busyGroups = new Map<string, number>();
  readonly #again = new Set<K>();
  readonly #pausing = new Map<K, ReturnType<typeof setTimeout>>();
  readonly #failures = new Map<K, number>();
  #stopped = false;

  constructor(options: KeyedSchedulerOptions<K>) {
    this.#options = options;
  }

  /** There is work for the key: it is done now, after what is done for it now, or after its pause. */
  wake(key: K): void {
    if (this.#stopped || this.#pausing.has(key)) return;
    if (this.#working.has(key)) this.#again.add(key);
    else this.#enqueue(key);
  }

  /** Resolves when nothing runs any more. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#ready.clear();
    this.#unprepared.clear();
    this.#queued.clear();
    this.#again.clear();
    for (const timer of this.#pausing.values()) clearTimeout(timer);
    this.#pausing.clear();
    await Promise.all(this.#working.values());
  }

  #enqueue(key: K): void {
    if (this.#queued.has(key)) return;
    this.#queued.add(key);
    const { isPrepared, groupOf } = this.#options;
    if (isPrepared?.(key) ?? true) {
      this.#line(key);
      return;
    }
    addTo(this.#unprepared, groupOf(key), key);
    this.#prepareMore();
  }

  /** It waits for its turn. */
  #line(key: K): void {
    const { laneOf, groupOf } = this.#options;
    const lane = this.#failures.has(key) ? suspectLane : laneOf(key);
    const groups = this.#ready.get(lane) ?? new Map<string, Set<K>>();
    this.#ready.set(lane, groups);
    addTo(groups, groupOf(key), key);
    this.#fill();
  }

  #prepareMore(): void {
    while (this.#preparing.size < mostPreparing) {
      const next = take(this.#unprepared, this.#preparingGroups, mostOfGroup);
      if (next === undefined) return;
      void this.#prepare(next);
    }
  }

  async #prepare({ key, group }: Taken<K>): Promise<void> {
    this.#preparing.add(key);
    count(this.#preparingGroups, group, 1);
    try {
      await this.#options.prepare?.(key);
    } catch (error) {
      this.#options.failed(key, error);
    }
    this.#preparing.delete(key);
    count(this.#preparingGroups, group, -1);
    if (this.#stopped) return;
    this.#line(key);
    this.#prepareMore();
  }

  // What got a turn goes to the end: lanes take turns, groups of a lane, and keys of a group.
  #fill(): void {
    const { concurrency, perLane, perGroup } = this.#options;
    for (const [lane, groups] of this.#ready) {
      if (this.#working.size >= concurrency) return;
      if ((this.#busyLanes.get(lane) ?? 0) >= perLane) continue;
      const next = take(groups, this.#busyGroups, perGroup);
      if (next === undefined) continue;
      this.#ready.delete(lane);
      if (groups.size > 0) this.#ready.set(lane, groups);
      this.#queued.delete(next.key);
      this.#working.set(next.key, this.#run(next.key, lane, next.group));
    }
  }

  async #run(key: K, lane: Lane, group: string): Promise<void> {
    count(this.#busyLanes, lane, 1);
    count(this.#busyGroups, group, 1);
    const outcome = await this.#attempt(key, lane);
    this.#working.delete(key);
    count(this.#busyLanes, lane, -1);
    count(this.#busyGroups, group, -1);
    if (this.#stopped) return;
    const wokenAgain = this.#again.delete(key);
    if (outcome === 'failed') this.#pause(key);
    else if (outcome !== 'again') this.#failures.delete(key);
    if (outcome === 'more' || outcome === 'again' || (outcome === 'done' && wokenAgain)) this.#enqueue(key);
    else this.#fill();
  }

  async #attempt(key: K, lane: Lane): Promise<TurnOutcome> {
    try {
      return await this.#options.work(key, lane);
    } catch (error) {
      this.#options.failed(key, error);
      return 'failed';
    }
  }

  #pause(key: K): void {
    const failures = (this.#failures.get(key) ?? 0) + 1;
    this.#failures.set(key, failures);
    const resume = (): void => {
      this.#pausing.delete(key);
      this.wake(key);
    };
    this.#pausing.set(key, setTimeout(resume, backoffMs(failures, this.#options.backoff)));
  }
}

function addTo<K>(groups: Map<string, Set<K>>, group: string, key: K): void {
  groups.set(group, (groups.get(group) ?? new Set<K>()).add(key));
}

/** Looks past no more groups than have all that is theirs. */
function take<K>(groups: Map<string, Set<K>>, busy: ReadonlyMap<string, number>, most: number): Taken<K> | undefined {
  for (const [group, keys] of groups) {
    const [key] = keys;
    if (key === undefined || (busy.get(group) ?? 0) >= most) continue;
    keys.delete(key);
    groups.delete(group);
    if (keys.size > 0) groups.set(group, keys);
    return { key, group };
  }
  return undefined;
}

function count<T>(counts: Map<T, number>, of: T, change: 1 | -1): void {
  const now = (counts.get(of) ?? 0) + change;
  if (now === 0) counts.delete(of);
  else counts.set(of, now);
}
