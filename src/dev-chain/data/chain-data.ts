import { setImmediate } from 'node:timers/promises';
import type { Hex } from '../../codec/hex.ts';
import { RelayError } from '../../errors/index.ts';
import {
  lastNumber,
  numberedKey,
  rangeOf,
  storeKey,
  type FileLock,
  type TransactionalStore,
} from '../../store/index.ts';
import type { DevBlock } from '../block/block.ts';
import type { StorageDiff } from '../executor/protocol.ts';
import { takeFolder, openStoreIn } from './chain-folder.ts';
import { decodeOrigin, encodeOrigin } from './chain-origin.ts';
import { decodeTip, encodeTip, type ChainTip } from './chain-tip.ts';
import { decodeKeptBlock, encodeKeptBlock, type KeptBlock } from './kept-block.ts';

/** The layout: what the chain began with; each block under a number in the order of arrival; the tip. */
const originKey = storeKey('genesis');
const tipKey = storeKey('tip');
const blockPrefix = storeKey('block/');
const blocksAtOnce = 512;

/** A block that is new, with what it changed. */
export interface NewBlock {
  readonly block: DevBlock;
  readonly changes: StorageDiff;
}

/** What a chain begins with, from its options. */
export interface Genesis {
  readonly hash: Hex;
  readonly workers: number;
  /** Its hash with so many workers instead. */
  readonly hashWith: (workers: number) => Promise<Hex>;
}

/** The folder in which a chain is kept, held by one process at a time. */
export class ChainData {
  readonly path: string;
  readonly #lock: FileLock;
  readonly #store: TransactionalStore;
  #next = 0n;

  private constructor(path: string, lock: FileLock, store: TransactionalStore) {
    this.path = path;
    this.#lock = lock;
    this.#store = store;
  }

  /** Makes the folder where it is missing. Throws dev-option-invalid, locked, store-failed, dev-data-invalid. */
  static async open(path: string): Promise<ChainData> {
    const lock = await takeFolder(path);
    try {
      return new ChainData(path, lock, await openStoreIn(path));
    } catch (error) {
      await lock.release();
      throw error;
    }
  }

  /** Makes it the folder of the chain with that genesis. Throws dev-data-other-chain, dev-data-invalid. */
  async claim({ hash, workers, hashWith }: Genesis): Promise<void> {
    const kept = await this.#store.get(originKey);
    if (kept === undefined) {
      await this.#store.commit([{ key: originKey, value: encodeOrigin({ genesis: hash, workers }) }]);
      return;
    }
    const origin = this.#decoded(() => decodeOrigin(kept));
    if (origin.genesis === hash) return;
    // A spec may take no workers.
    const isOfSpec = origin.genesis === (await hashWith(origin.workers).catch(() => undefined));
    const differing = [
      ...(isOfSpec ? [] : ['another --chain-spec']),
      ...(origin.workers === workers ? [] : [`--workers ${origin.workers} instead of ${workers}`]),
    ].join(' and ');
    throw new RelayError('dev-data-other-chain', { details: { path: this.path, differing } });
  }

  /** In the order of arrival: each comes after its parent. Throws dev-data-invalid. */
  async *blocks(): AsyncGenerator<KeptBlock> {
    const { from, to } = rangeOf(blockPrefix);
    for (let start = from; ; start = numberedKey(blockPrefix, this.#next)) {
      const entries = await this.#store.entries({ from: start, to, limit: blocksAtOnce });
      for (const [key, value] of entries) {
        this.#next = lastNumber(key) + 1n;
        yield this.#decoded(() => decodeKeptBlock(value));
      }
      if (entries.length < blocksAtOnce) return;
      // Signals come meanwhile.
      await setImmediate();
    }
  }

  /** Undefined where the chain has not begun. Throws dev-data-invalid. */
  async tip(): Promise<ChainTip | undefined> {
    const kept = await this.#store.get(tipKey);
    return kept && this.#decoded(() => decodeTip(kept));
  }

  /** Both or none; they are on the disk when it resolves. Throws store-failed. */
  async keep(tip: ChainTip, added?: NewBlock): Promise<void> {
    const writes = [{ key: tipKey, value: encodeTip(tip) }];
    if (added !== undefined) {
      const value = encodeKeptBlock(added.block, added.changes);
      writes.push({ key: numberedKey(blockPrefix, this.#next), value });
    }
    await this.#store.commit(writes);
    if (added !== undefined) this.#next += 1n;
  }

  /** Forgets a chain that did not come up, with the block that it began with. */
  async clear(): Promise<void> {
    const keys = [originKey, tipKey, numberedKey(blockPrefix, 0n)];
    await this.#store.commit(keys.map((key) => ({ key, value: undefined })));
  }

  invalid(reason: string, cause?: unknown): RelayError {
    return new RelayError('dev-data-invalid', { details: { path: this.path, reason }, cause });
  }

  /** Idempotent. */
  async close(): Promise<void> {
    await this.#store.close();
    await this.#lock.release();
  }

  #decoded<T>(decode: () => T): T {
    try {
      return decode();
    } catch (error) {
      throw this.invalid(error instanceof Error ? error.message : String(error), error);
    }
  }
}
