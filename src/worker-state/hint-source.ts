import type { BlockView, Chain, ChainLogger, Clock, Head, TouchedWorkers } from '../chain/index.ts';
import type { Hex } from '../codec/index.ts';
import { isRelayError } from '../errors/index.ts';
import type { ChangeSource, Differences, KnownFacts, ReconcileOptions } from './change-source.ts';
import { TimeSlice } from './time-slice.ts';
import { TouchedBlocks } from './touched-blocks.ts';
import { factsOf, sameFacts, type WorkerFacts } from './worker-facts.ts';

/** Blocks after which what hints missed is looked for. */
const defaultEveryBlocks = 100;
/** Time after which it is, with the next block, ms. */
const defaultEveryMs = 600_000;
/** Newer blocks at which a snapshot begins anew before it gives up. */
const maxPins = 5;

type Touched = Pick<TouchedWorkers, 'ids' | 'gatekeepers'>;

/** Hints of each block, and a full comparison every so often or where a hint could not be read. */
export class HintSource implements ChangeSource {
  readonly strategy = 'hints';
  readonly #chain: Chain;
  readonly #clock: Clock;
  readonly #logger: ChainLogger;
  readonly #everyBlocks: number;
  readonly #everyMs: number;
  readonly #touched = new TouchedBlocks();
  #gatekeepers: ReadonlySet<Hex> = new Set();
  #reconciled: { readonly number: number; readonly time: number } | undefined;
  #stats = { reconciles: 0, missed: 0 };

  constructor(
    { chain, clock, logger }: { readonly chain: Chain; readonly clock: Clock; readonly logger: ChainLogger },
    { everyBlocks = defaultEveryBlocks, everyMs = defaultEveryMs }: ReconcileOptions = {},
  ) {
    this.#chain = chain;
    this.#clock = clock;
    this.#logger = logger;
    this.#everyBlocks = everyBlocks;
    this.#everyMs = everyMs;
  }

  get stats(): ChangeSource['stats'] {
    return this.#stats;
  }

  async snapshot(pinned: Head, put: (facts: WorkerFacts) => void, signal: AbortSignal): Promise<Head> {
    let head = pinned;
    for (let attempt = 1; ; attempt++) {
      try {
        const view = this.#chain.at(head.hash);
        for await (const page of view.allWorkers(signal)) for (const record of page) put(factsOf(record));
        this.#gatekeepers = new Set(await view.gatekeepers(signal));
        // Where the block is not the one that the following goes on from, the next one is compared as a whole.
        if (head === pinned) this.#noteReconciled(head);
        return head;
      } catch (error) {
        if (!isRelayError(error, 'state-discarded') || attempt === maxPins) throw error;
        head = await this.#chain.finalizedHead(signal);
      }
    }
  }

  async changesAt(head: Head, known: KnownFacts, signal: AbortSignal): Promise<Differences> {
    const view = this.#chain.at(head.hash);
    let hints: TouchedWorkers;
    try {
      hints = await view.touchedWorkers(signal);
    } catch (error) {
      if (isRelayError(error, 'state-discarded')) this.#reconciled = undefined;
      throw error;
    }
    const hinted = await this.#read(view, hints, signal);
    if (hints.complete && !this.#isDue(head))
      return this.#differences(hinted, () => this.#touched.add(head.hash, hints));
    const reconciled = await this.#compare(view, known, hinted.workers, signal);
    return this.#differences({ ...reconciled, workers: [...hinted.workers, ...reconciled.workers] }, () => {
      this.#touched.add(head.hash, hints);
      this.#noteReconciled(head);
      this.#stats = {
        reconciles: this.#stats.reconciles + 1,
        missed: this.#stats.missed + reconciled.workers.length,
      };
      const { length } = reconciled.workers;
      if (length > 0) this.#logger.warn({ block: head.number, workers: length }, 'hints missed changes of WorkerState');
    });
  }

  async changesBack({ hash, parentHash }: Head, _known: KnownFacts, signal: AbortSignal): Promise<Differences> {
    const touched = this.#touched.get(hash);
    if (touched === undefined) {
      this.#reconciled = undefined;
      return { workers: [], accept: () => undefined };
    }
    try {
      return this.#differences(await this.#read(this.#chain.at(parentHash), touched, signal), () => {
        this.#touched.delete(hash);
      });
    } catch (error) {
      if (isRelayError(error, 'state-discarded')) this.#reconciled = undefined;
      throw error;
    }
  }

  /** The workers that are named, and those that became or ceased to be gatekeepers. */
  async #read(view: BlockView, { ids, gatekeepers }: Touched, signal: AbortSignal): Promise<Read> {
    const wanted = new Set(ids);
    let present = this.#gatekeepers;
    if (gatekeepers) {
      present = new Set(await view.gatekeepers(signal));
      for (const id of present) if (!this.#gatekeepers.has(id)) wanted.add(id);
      for (const id of this.#gatekeepers) if (!present.has(id)) wanted.add(id);
    }
    const list = [...wanted];
    const records = list.length === 0 ? [] : await view.workers(list, signal);
    const workers = list.map((id, i) => {
      const record = records[i];
      return [id, record && factsOf(record)] as const;
    });
    return { workers, gatekeepers: present };
  }

  /** All of WorkerState against the cache and what the hints named. */
  async #compare(
    view: BlockView,
    known: KnownFacts,
    hinted: Differences['workers'],
    signal: AbortSignal,
  ): Promise<Read> {
    const slice = new TimeSlice(this.#clock);
    const named = new Map(hinted);
    const factsBefore = (id: Hex): WorkerFacts | undefined => (named.has(id) ? named.get(id) : known.facts(id));
    const present = new Set<Hex>();
    const workers: [Hex, WorkerFacts | undefined][] = [];
    for await (const page of view.allWorkers(signal)) {
      for (const record of page) {
        const facts = factsOf(record);
        present.add(facts.identity);
        const before = factsBefore(facts.identity);
        if (before === undefined || !sameFacts(before, facts)) workers.push([facts.identity, facts]);
      }
      await slice.breathe();
    }
    for (const id of known.ids()) if (!present.has(id) && factsBefore(id) !== undefined) workers.push([id, undefined]);
    return { workers, gatekeepers: new Set(await view.gatekeepers(signal)) };
  }

  #differences({ workers, gatekeepers }: Read, onAccept?: () => void): Differences {
    return {
      workers,
      accept: () => {
        this.#gatekeepers = gatekeepers;
        onAccept?.();
      },
    };
  }

  #noteReconciled({ number }: Head): void {
    this.#reconciled = { number, time: this.#clock.now() };
  }

  #isDue({ number }: Head): boolean {
    if (this.#reconciled === undefined) return true;
    return (
      number - this.#reconciled.number >= this.#everyBlocks ||
      this.#clock.now() - this.#reconciled.time >= this.#everyMs
    );
  }
}

interface Read extends Pick<Differences, 'workers'> {
  readonly gatekeepers: ReadonlySet<Hex>;
}
