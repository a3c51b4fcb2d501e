import {
  idOf,
  rowAt,
  type BlockView,
  type Chain,
  type ChainLogger,
  type Clock,
  type Head,
  type TouchedWorkers,
  type WorkerRow,
} from '../chain/index.ts';
import { isRelayError, RelayError } from '../errors/index.ts';
import { equalBytes, fromHex, Reader, toHex, Writer, type Hex } from '../codec/index.ts';
import type { ChangeSource, Differences, KnownRows, ReconcileOptions, SourceMemory } from './change-source.ts';
import { decodeIds, encodeIds } from './ids-codec.ts';
import type { RowCollector } from './rows/row-collector.ts';
import { TimeSlice } from './time-slice.ts';
import { TouchedBlocks } from './touched-blocks.ts';

/** Blocks after which what hints missed is looked for. */
const defaultEveryBlocks = 100;
/** Time after which it is, with the next block, ms. */
const defaultEveryMs = 600_000;

/** Blocks that were missed, as over a restart, up to which their hints are read; beyond that all is compared. */
const maxMissedBlocks = 256;

const noHash: Hex = `0x${'00'.repeat(32)}`;

type Touched = Pick<TouchedWorkers, 'ids' | 'gatekeepers'>;

/** Hints of each block, and a full comparison every so often or where a hint could not be read. */
export class HintSource implements ChangeSource {
  readonly strategy = 'hints';
  readonly remembered = undefined;
  readonly #chain: Chain;
  readonly #clock: Clock;
  readonly #logger: ChainLogger;
  readonly #everyBlocks: number;
  readonly #everyMs: number;
  readonly #touched = new TouchedBlocks();
  #gatekeepers: ReadonlySet<Hex> = new Set();
  #reconciled: { readonly number: number; readonly time: number } | undefined;
  /** The block up to which hints were read. */
  #last: Pick<Head, 'number' | 'hash'> | undefined;
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

  async snapshot(head: Head, rows: RowCollector, signal: AbortSignal): Promise<boolean> {
    try {
      const view = this.#chain.at(head.hash);
      this.#gatekeepers = new Set(await view.gatekeepers(signal));
      for await (const page of view.allWorkers(signal)) rows.add(page);
      this.#noteReconciled(head);
      this.#last = head;
      return true;
    } catch (error) {
      if (!isRelayError(error, 'state-discarded')) throw error;
      this.#reconciled = undefined; // so that the next block is compared as a whole
      return false;
    }
  }

  async changesAt(head: Head, known: KnownRows, signal: AbortSignal): Promise<Differences> {
    const view = this.#chain.at(head.hash);
    let hints: TouchedWorkers;
    try {
      hints = both(await this.#missedBefore(head, signal), await view.touchedWorkers(signal));
    } catch (error) {
      if (isRelayError(error, 'state-discarded')) this.#reconciled = undefined;
      throw error;
    }
    const hinted = await this.#read(view, hints, signal);
    if (hints.complete && !this.#isDue(head))
      return this.#differences(hinted, () => {
        this.#touched.add(head.hash, hints);
        this.#last = head;
      });
    const reconciled = await this.#compare(view, known, hinted.workers, signal);
    const found = reconciled.workers.map(([id]) => id);
    return this.#differences({ ...reconciled, workers: [...hinted.workers, ...reconciled.workers] }, () => {
      // A reorg takes back what was found in the block, as what its hints told of.
      this.#touched.add(head.hash, { ids: [...hints.ids, ...found], gatekeepers: true, complete: true });
      this.#last = head;
      this.#noteReconciled(head);
      this.#stats = {
        reconciles: this.#stats.reconciles + 1,
        missed: this.#stats.missed + reconciled.workers.length,
      };
      const { length } = reconciled.workers;
      if (length > 0) this.#logger.warn({ block: head.number, workers: length }, 'hints missed changes of WorkerState');
    });
  }

  memory(): Uint8Array {
    const { number = 0, hash = noHash } = this.#last ?? {};
    const { number: reconciled = 0, time = 0 } = this.#reconciled ?? {};
    const writer = new Writer().u32(number).raw(fromHex(hash)).u32(reconciled).u64(time);
    return writer.raw(encodeIds(this.#gatekeepers)).finish();
  }

  recall({ strategy, memory }: SourceMemory): boolean {
    if (strategy !== this.strategy) return false;
    const reader = new Reader(memory, 'The memory of hints', true);
    this.#last = { number: reader.u32(), hash: toHex(reader.fixed(32)) };
    this.#reconciled = { number: reader.u32(), time: Number(reader.u64()) };
    this.#gatekeepers = decodeIds(reader.rest());
    return true;
  }

  /** Hints of the blocks between the last one and this; not complete where they can't be had. */
  async #missedBefore({ number, hash: present, parentHash }: Head, signal: AbortSignal): Promise<TouchedWorkers> {
    const last = this.#last;
    let missed: TouchedWorkers = { ids: [], gatekeepers: false, complete: true };
    if (last === undefined || last.hash === parentHash || last.hash === present) return missed;
    const unknown = { ...missed, complete: false };
    if (number <= last.number || number - last.number > maxMissedBlocks) return unknown;
    try {
      for (let hash = parentHash; hash !== last.hash;) {
        const head = await this.#chain.headOf(hash, signal);
        // Another branch: what the blocks of the old one changed is not known.
        if (head.number <= last.number) return unknown;
        missed = both(missed, await this.#chain.at(hash).touchedWorkers(signal));
        hash = head.parentHash;
      }
      return missed;
    } catch (error) {
      if (!isRelayError(error, 'state-discarded')) throw error;
      return unknown;
    }
  }

  async changesBack({ hash, parentHash, number }: Head, _known: KnownRows, signal: AbortSignal): Promise<Differences> {
    const touched = this.#touched.get(hash);
    if (touched === undefined) {
      // The next block is compared as a whole; until then the cache shows what it showed.
      this.#reconciled = undefined;
      this.#last = undefined;
      throw new RelayError('state-discarded', {
        details: { block: hash, reason: 'what it changed is not remembered' },
      });
    }
    try {
      return this.#differences(await this.#read(this.#chain.at(parentHash), touched, signal), () => {
        this.#touched.delete(hash);
        this.#last = { number: number - 1, hash: parentHash };
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
    return { workers: list.map((id, i) => [id, records[i]] as const), gatekeepers: present };
  }

  /** All of WorkerState against the cache and what the hints named. */
  async #compare(
    view: BlockView,
    known: KnownRows,
    hinted: Differences['workers'],
    signal: AbortSignal,
  ): Promise<Read> {
    const slice = new TimeSlice(this.#clock);
    const named = new Map(hinted);
    const rowBefore = (id: Hex): WorkerRow | undefined => (named.has(id) ? named.get(id) : known.row(id));
    const present = new Set<Hex>();
    const workers: [Hex, WorkerRow | undefined][] = [];
    for await (const page of view.allWorkers(signal)) {
      for (let i = 0; i < page.ends.length; i++) {
        const row = rowAt(page, i);
        if (row === undefined) continue;
        const id = idOf(row);
        present.add(id);
        const before = rowBefore(id);
        if (before === undefined || !equalBytes(before, row)) workers.push([id, row.slice()]);
      }
      await slice.breathe();
    }
    for (const id of known.ids()) if (!present.has(id) && rowBefore(id) !== undefined) workers.push([id, undefined]);
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

function both(a: TouchedWorkers, b: TouchedWorkers): TouchedWorkers {
  return {
    ids: [...a.ids, ...b.ids],
    gatekeepers: a.gatekeepers || b.gatekeepers,
    complete: a.complete && b.complete,
  };
}

interface Read extends Pick<Differences, 'workers'> {
  readonly gatekeepers: ReadonlySet<Hex>;
}
