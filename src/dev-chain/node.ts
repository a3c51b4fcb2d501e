import type { Hex } from '../codec/hex.ts';
import { RelayError } from '../errors/index.ts';
import type { BlockBuilder } from './block/block-builder.ts';
import type { BlockStore, HeadChange } from './block/block-store.ts';
import type { BlockRef, DevBlock } from './block/block.ts';
import { forkLog } from './block/header.ts';
import type { ChainSpec } from './chain-spec.ts';
import type { ChainClock } from './clock.ts';
import type { ChainData } from './data/chain-data.ts';
import type { ChainTip } from './data/chain-tip.ts';
import type { StorageDiff } from './executor/protocol.ts';
import type { Runtimes } from './executor/runtime.ts';
import type { Hashing } from './hashing.ts';
import { bytesToHex, hexToBytes, isHex } from './hex.ts';
import { checkInteger } from './options.ts';
import { Submitter } from './pool/submitter.ts';
import { Pool } from './pool/pool.ts';
import { Watchers, type TransactionStatus } from './pool/watchers.ts';
import { Serial } from './serial.ts';
import { Signal } from './signal.ts';

export interface NewBlockOptions {
  /** How many; 1. */
  readonly count?: number;
  /** Of the (first) block, in ms since 1970; else the clock's. */
  readonly timestamp?: number;
  /** Leave the pool alone. */
  readonly empty?: boolean;
}

export interface ReorgOptions {
  /** Put the retracted extrinsics back into the pool, as a node does; else they are gone. */
  readonly resubmit?: boolean;
}

export type StatusListener = (status: TransactionStatus, last: boolean) => void;

export interface Submission {
  readonly hash: Hex;
  /** Ends the watch. */
  readonly unwatch: () => void;
}

export interface DevNodeParts {
  readonly spec: ChainSpec;
  readonly hashing: Hashing;
  readonly runtimes: Runtimes;
  readonly builder: BlockBuilder;
  readonly blocks: BlockStore;
  readonly clock: ChainClock;
  /** Where the chain is kept; else it is in memory only. */
  readonly data: ChainData | undefined;
  /** Reorgs that there were so far. */
  readonly forks: number;
  /** Build a block as soon as something is ready. */
  readonly instant: boolean;
  /** A block could not be built and nobody waits for it. */
  readonly onFailure: (error: unknown) => void;
}

/** The node behind the server: blocks are built, retracted and finalized here, one thing at a time. */
export class DevNode {
  readonly spec: ChainSpec;
  readonly hashing: Hashing;
  readonly runtimes: Runtimes;
  readonly blocks: BlockStore;
  readonly clock: ChainClock;
  readonly pool: Pool;
  readonly #watchers = new Watchers();
  readonly #submitter: Submitter;
  readonly #parts: DevNodeParts;
  readonly #serial = new Serial();
  readonly #headChanged = new Signal<HeadChange>();
  #forks: number;
  #sealing = false;
  #stopped = false;

  constructor(parts: DevNodeParts) {
    this.#parts = parts;
    this.spec = parts.spec;
    this.hashing = parts.hashing;
    this.runtimes = parts.runtimes;
    this.blocks = parts.blocks;
    this.clock = parts.clock;
    this.#forks = parts.forks;
    this.pool = new Pool(() => this.clock.now());
    this.#submitter = new Submitter(this.pool, this.blocks, this.runtimes, (extrinsic) => this.hashOf(extrinsic));
  }

  /** Called at each new head and each reorg, with all subscribers seeing the same order. */
  get onHeadChanged(): (listener: (change: HeadChange) => void) => () => void {
    return this.#headChanged.on;
  }

  /** Gives the extrinsic's hash once it is in the pool. Throws RpcError. */
  async submit(extrinsic: Hex, listener?: StatusListener): Promise<Submission> {
    this.#checkRunning();
    const { hash, usurped } = await this.#submitter.submit(extrinsic);
    for (const other of usurped) this.#watchers.tell(other.extrinsic, { usurped: hash });
    const unwatch = listener === undefined ? nothing : this.#watchers.watch(extrinsic, listener);
    listener?.(this.pool.isReady(hash) ? 'ready' : 'future', false);
    this.#sealSoon();
    return { hash, unwatch };
  }

  /** Builds blocks of what is ready in the pool. Gives the last. Throws dev-option-invalid. */
  newBlock(options: NewBlockOptions = {}): Promise<BlockRef> {
    return this.#exclusive(async () => {
      let { timestamp } = options;
      checkInteger('time', timestamp, 0, Number.MAX_SAFE_INTEGER);
      for (let left = options.count ?? 1; left > 0; left -= 1) {
        await this.#build(options.empty === true ? [] : this.#ready(), { timestamp });
        timestamp = undefined;
      }
      return refOf(this.blocks.head);
    });
  }

  /** Makes any known block the head; the blocks built on it form a fork. Throws dev-reorg-refused. */
  reorg(to: number | Hex, options: ReorgOptions = {}): Promise<BlockRef> {
    return this.#exclusive(async () => {
      const block = this.blocks.find(to);
      const change = this.blocks.changeTo(block);
      if (change.retracted.length === 0 && change.enacted.length === 0) return refOf(block);
      const forks = this.#forks + (change.retracted.length > 0 ? 1 : 0);
      if (this.#parts.data !== undefined) await this.#parts.data.keep(this.#tipOf(change, forks));
      this.#forks = forks;
      this.blocks.take(change);
      const lost = change.retracted.toReversed().flatMap(({ extrinsics }) => extrinsics);
      this.#announce(change);
      const dropped = await this.#submitter.revalidate(lost, options.resubmit === true);
      for (const extrinsic of dropped) this.#watchers.tell(extrinsic, 'invalid');
      this.#sealSoon();
      return refOf(block);
    });
  }

  /** Shifts the clock and builds a block at that very time, so that storage shows it. Throws dev-time-backwards, dev-option-invalid. */
  timeTravel(unixMs: number): Promise<BlockRef> {
    return this.#exclusive(async () => {
      const { timestamp } = this.blocks.head;
      if (!(unixMs > timestamp)) {
        throw new RelayError('dev-time-backwards', { details: { to: unixMs, now: timestamp } });
      }
      checkInteger('time', unixMs, 0, Number.MAX_SAFE_INTEGER);
      const back = this.clock.travelTo(unixMs);
      try {
        return await this.#build(this.#ready(), { timestamp: unixMs });
      } catch (error) {
        back();
        throw error;
      }
    });
  }

  /** Builds a block after which the state has these values; no block changes once it is there. */
  setStorage(entries: StorageDiff): Promise<BlockRef> {
    const wrong = entries.find(([key, value]) => !isHex(key) || !(value === null || isHex(value)));
    if (wrong !== undefined) {
      const reason = `${wrong[0]} and ${wrong[1] ?? 'null'} are not a pair of hex`;
      return Promise.reject(new RelayError('dev-storage-invalid', { details: { reason } }));
    }
    return this.#exclusive(() => this.#build([], { overrides: entries }));
  }

  /** Drops the states of all blocks below that number, as a pruning node does. */
  pruneBefore(number: number): void {
    this.blocks.pruneBefore(number);
  }

  /** `ApplyExtrinsicResult` of the extrinsic in a block on top of the given one. */
  dryRun(extrinsic: Hex, parent: DevBlock): Promise<Hex> {
    const timestamp = this.clock.next(parent.timestamp, parent.runtime.minimumPeriodMs);
    const plan = { parent, timestamp, extrinsics: [], logs: [], overrides: [] };
    return this.#parts.builder.dryRun(plan, extrinsic);
  }

  hashOf(bytes: Hex): Hex {
    return bytesToHex(this.hashing.blake2b256(hexToBytes(bytes)));
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#serial.idle();
  }

  async #build(extrinsics: readonly Hex[], options: BuildOptions = {}): Promise<BlockRef> {
    const parent = this.blocks.head;
    const least = this.clock.next(parent.timestamp, parent.runtime.minimumPeriodMs);
    const logs = this.#forks > 0 ? [forkLog(this.#forks)] : [];
    const { timestamp = least, overrides = [] } = options;
    const built = await this.#parts.builder.build({ parent, timestamp, extrinsics, logs, overrides });
    const change = this.blocks.changeTo(built.block);
    // What is told to anybody is kept already.
    if (this.#parts.data !== undefined) await this.#parts.data.keep(this.#tipOf(change, this.#forks), built);
    this.pool.included(built.included);
    this.blocks.take(change);
    this.blocks.add(built.block);
    this.#announce(change);
    for (const [extrinsic] of built.rejected) {
      this.pool.reject(extrinsic);
      this.#watchers.tell(extrinsic, 'invalid');
    }
    for (const { extrinsic } of this.pool.expire()) this.#watchers.tell(extrinsic, 'invalid');
    for (const extrinsic of this.#submitter.newlyReady()) this.#watchers.tell(extrinsic, 'ready');
    this.#sealSoon();
    return refOf(built.block);
  }

  #tipOf({ head, finalized }: HeadChange, forks: number): ChainTip {
    const final = finalized.at(-1) ?? this.blocks.finalized;
    return { head: head.hash, finalized: final.hash, forks, clockShiftMs: this.clock.shiftMs };
  }

  #announce(change: HeadChange): void {
    this.#headChanged.emit(change);
    this.#watchers.headChanged(change);
  }

  #ready(): Hex[] {
    return this.pool.ready().map(({ extrinsic }) => extrinsic);
  }

  #sealSoon(): void {
    if (!this.#parts.instant || this.#sealing || this.#stopped || this.pool.ready().length === 0) return;
    this.#sealing = true;
    const seal = async (): Promise<void> => {
      this.#sealing = false;
      const extrinsics = this.#ready();
      if (extrinsics.length > 0) await this.#build(extrinsics);
    };
    this.#exclusive(seal).catch(this.#parts.onFailure);
  }

  #exclusive<T>(task: () => Promise<T>): Promise<T> {
    return this.#serial.run(() => {
      this.#checkRunning();
      return task();
    });
  }

  #checkRunning(): void {
    if (this.#stopped) throw new RelayError('dev-chain-stopped');
  }
}

interface BuildOptions {
  readonly timestamp?: number | undefined;
  readonly overrides?: StorageDiff;
}

function refOf({ hash, number }: BlockRef): BlockRef {
  return { hash, number };
}

function nothing(): void {
  // There is nothing to end.
}
