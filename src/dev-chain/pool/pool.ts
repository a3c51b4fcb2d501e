import type { Hex } from '../../codec/hex.ts';
import { poolErrors } from '../rpc/rpc-error.ts';
import type { ValidTransaction } from './validity.ts';

export interface PoolTransaction extends ValidTransaction {
  readonly hash: Hex;
  readonly extrinsic: Hex;
}

export interface PoolLimits {
  readonly transactions: number;
  readonly bytes: number;
}

/** sc-transaction-pool's defaults. */
const defaultPoolLimits: PoolLimits = { transactions: 8_192, bytes: 20 * 1024 * 1024 };
/** sc-transaction-pool's default. */
const banMs = 30 * 60 * 1000;
/** A transaction was validated on a head at most that many blocks ago: tags of those blocks count as provided. */
const validationBlocks = 64;

/**
 * Transactions that wait for a block, ordered by the tags that the runtime gives them: one that requires a tag waits
 * until another that provides it is in a block or before it in this one.
 */
export class Pool {
  readonly #transactions = new Map<Hex, PoolTransaction>();
  /** The number of blocks seen from which on a transaction is no longer valid, by its hash. */
  readonly #ends = new Map<Hex, bigint>();
  /** Tags of transactions in recent blocks, by the number of blocks seen when they came. */
  readonly #satisfied = new Map<Hex, number>();
  readonly #bannedUntil = new Map<Hex, number>();
  readonly #now: () => number;
  readonly #limits: PoolLimits;
  #bytes = 0;
  #blocks = 0;

  constructor(now: () => number, limits: PoolLimits = defaultPoolLimits) {
    this.#now = now;
    this.#limits = limits;
  }

  /** Throws 1012 or 1013. A node asks this before it spends time on validation. */
  checkNew(hash: Hex): void {
    const until = this.#bannedUntil.get(hash);
    if (until !== undefined && until > this.#now()) throw poolErrors.banned();
    this.#bannedUntil.delete(hash);
    if (this.#transactions.has(hash)) throw poolErrors.alreadyImported(hash);
  }

  /** Gives the transactions that this one replaces. Throws 1012, 1013, 1014 or 1016. */
  add(transaction: PoolTransaction): PoolTransaction[] {
    this.checkNew(transaction.hash);
    const rivals = [...this.#transactions.values()].filter((other) =>
      other.provides.some((tag) => transaction.provides.includes(tag)),
    );
    const strongest = rivals.find((other) => other.priority >= transaction.priority);
    if (strongest !== undefined) throw poolErrors.tooLowPriority(strongest.priority, transaction.priority);
    const bytes = this.#bytes + transaction.extrinsic.length / 2;
    if (this.#transactions.size >= this.#limits.transactions || bytes > this.#limits.bytes) {
      throw poolErrors.immediatelyDropped();
    }
    for (const rival of rivals) this.#delete(rival);
    this.#transactions.set(transaction.hash, transaction);
    this.#ends.set(transaction.hash, BigInt(this.#blocks) + transaction.longevity);
    this.#bytes += transaction.extrinsic.length / 2;
    return rivals;
  }

  /** What may go into the next block, in an order that respects the tags; higher priorities first among equals. */
  ready(): PoolTransaction[] {
    const waiting = [...this.#transactions.values()].sort((a, b) => Number(b.priority - a.priority));
    const provided = new Set(this.#satisfied.keys());
    const ordered: PoolTransaction[] = [];
    for (let next = firstReady(waiting, provided); next !== undefined; next = firstReady(waiting, provided)) {
      waiting.splice(waiting.indexOf(next), 1);
      ordered.push(next);
      for (const tag of next.provides) provided.add(tag);
    }
    return ordered;
  }

  /** Blocks that it has seen. */
  get blocks(): number {
    return this.#blocks;
  }

  /** Whether a transaction in one of the blocks after so many provided one of the tags. */
  hasProvided(tags: readonly Hex[], after: number): boolean {
    return tags.some((tag) => (this.#satisfied.get(tag) ?? 0) > after);
  }

  get all(): PoolTransaction[] {
    return [...this.#transactions.values()];
  }

  isReady(hash: Hex): boolean {
    return this.ready().some((transaction) => transaction.hash === hash);
  }

  /** Takes out what went into a block; the same bytes are refused for a while, as on any node. */
  included(extrinsics: readonly Hex[]): void {
    this.#blocks += 1;
    const taken = new Set(extrinsics);
    for (const transaction of this.all.filter(({ extrinsic }) => taken.has(extrinsic))) {
      this.#remove(transaction);
      for (const tag of transaction.provides) this.#satisfied.set(tag, this.#blocks);
    }
    for (const [tag, block] of this.#satisfied) {
      if (block + validationBlocks < this.#blocks) this.#satisfied.delete(tag);
    }
  }

  /** Takes out what has died of age, be it ready or not, and gives it. */
  expire(): PoolTransaction[] {
    const dead = this.all.filter(({ hash }) => (this.#ends.get(hash) ?? 0n) <= BigInt(this.#blocks));
    for (const transaction of dead) this.#remove(transaction);
    return dead;
  }

  /** Takes out what turned out to be invalid. */
  reject(extrinsic: Hex): void {
    for (const transaction of this.all) if (transaction.extrinsic === extrinsic) this.#remove(transaction);
  }

  /** Takes all out and forgets what was in blocks: after a reorg everything is validated anew. */
  drain(): PoolTransaction[] {
    const all = this.all;
    this.#transactions.clear();
    this.#ends.clear();
    this.#satisfied.clear();
    this.#bytes = 0;
    return all;
  }

  /** Lets the same bytes in again. */
  unban(hash: Hex): void {
    this.#bannedUntil.delete(hash);
  }

  #remove(transaction: PoolTransaction): void {
    this.#delete(transaction);
    const now = this.#now();
    for (const [hash, until] of this.#bannedUntil) if (until <= now) this.#bannedUntil.delete(hash);
    this.#bannedUntil.set(transaction.hash, now + banMs);
  }

  #delete(transaction: PoolTransaction): void {
    this.#ends.delete(transaction.hash);
    if (this.#transactions.delete(transaction.hash)) this.#bytes -= transaction.extrinsic.length / 2;
  }
}

function firstReady(waiting: readonly PoolTransaction[], provided: ReadonlySet<Hex>): PoolTransaction | undefined {
  return waiting.find(({ requires }) => requires.every((tag) => provided.has(tag)));
}
