import { RelayError } from '../errors/index.ts';
import { lastNumber, storeKey, type Expectation, type TransactionalStore, type Write } from '../store/index.ts';
import { channelBytes, channelOfBytes, type ChannelId } from './channel-id.ts';
import { beyondAll, ChannelMarks, paths, type Path } from './channel-marks.ts';

const msPerDay = 86_400_000;
const nonceBitsBelowMs = 20n;
const prunedPerMessage = 16;
/** Channels whose marks are held in memory. */
const maxChannels = 4_096;
const nothing = new Uint8Array(0);

export interface ReplayWindowOptions {
  /** How long seen nonces are kept, ms. Default 30 days. */
  readonly retentionMs?: number;
  /** Unix time, ms. Default Date.now. */
  readonly now?: () => number;
}

/** A message as the window sees it. */
export interface Arrival {
  readonly channel: ChannelId;
  readonly nonce: bigint;
  /** Unix time, ms, by the sender's clock. Of a relayed message no further from the clock than the retention. */
  readonly sentAt: bigint;
  readonly via: Path;
  /** Whether the block is finalized: only then the floor of the path follows it. */
  readonly isFinal: boolean;
  /** What its nonce is found by. */
  readonly tag: Uint8Array;
}

/** What marks a nonce as seen: commit it together with the delivery. */
export interface Admission {
  readonly writes: readonly Write[];
  /** Fails where the nonce was admitted meanwhile. */
  readonly expectations: readonly Expectation[];
}

/**
 * The seen nonces of every channel, above a floor that follows the retention (protocol.md §9). A store has one window
 * that writes at a time: it remembers what it read.
 */
export class ReplayWindow {
  readonly #store: TransactionalStore;
  readonly #retentionMs: bigint;
  readonly #now: () => number;
  /** In the order of their use. */
  readonly #channels = new Map<string, ChannelMarks>();

  constructor(store: TransactionalStore, { retentionMs = 30 * msPerDay, now = Date.now }: ReplayWindowOptions = {}) {
    this.#store = store;
    this.#retentionMs = BigInt(retentionMs);
    this.#now = now;
  }

  /** How long seen nonces are kept, ms. */
  get retentionMs(): number {
    return Number(this.#retentionMs);
  }

  /** Admits some messages together: those of one transaction. */
  begin(): WindowBatch {
    const nowMs = BigInt(this.#now());
    return new WindowBatch({
      store: this.#store,
      nowMs,
      retentionMs: this.#retentionMs,
      marksOf: (channel) => this.#marksOf(channel),
    });
  }

  /** Admits one message. undefined: its nonce was seen. Throws replay-too-old below the floor. */
  async admit(arrival: Arrival): Promise<Admission | undefined> {
    const batch = this.begin();
    if (!(await batch.admit(arrival))) return undefined;
    const marks = await this.#marksOf(arrival.channel);
    const expectations = paths.map((path) => ({ key: marks.seenKey(path, arrival.nonce), value: undefined }));
    return { writes: await batch.finish(), expectations };
  }

  /** What is to be written when a nonce that was admitted before its block was finalized is final. */
  async finalized(channels: readonly (readonly [channel: ChannelId, nonce: bigint])[]): Promise<Write[]> {
    const touched = new Set<ChannelMarks>();
    for (const [channel, nonce] of channels) {
      const marks = await this.#marksOf(channel);
      marks.raise('highest', nonce);
      touched.add(marks);
    }
    return [...touched].flatMap((marks) => marks.takeWrites());
  }

  /** The tag of a seen nonce. */
  async find(channel: ChannelId, nonce: bigint): Promise<Uint8Array | undefined> {
    return findSeen(this.#store, await this.#marksOf(channel), nonce);
  }

  /** Frees a nonce admitted via chain that a reorg took back. */
  release(channel: ChannelId, nonce: bigint): Write {
    return { key: storeKey('seen/chain/', channelBytes(channel), nonce), value: undefined };
  }

  /** To be called where what was admitted could not be committed: what is remembered is ahead of the store. */
  forget(): void {
    this.#channels.clear();
  }

  async #marksOf(channel: ChannelId): Promise<ChannelMarks> {
    const name = `${channel.fromKind}${channel.from}${channel.to}`;
    const known = this.#channels.get(name);
    if (known !== undefined) return known;
    const marks = await ChannelMarks.read(this.#store, channel);
    const [oldest] = this.#channels.keys();
    if (this.#channels.size >= maxChannels && oldest !== undefined) this.#channels.delete(oldest);
    this.#channels.set(name, marks);
    return marks;
  }
}

interface BatchParts {
  readonly store: TransactionalStore;
  readonly nowMs: bigint;
  readonly retentionMs: bigint;
  readonly marksOf: (channel: ChannelId) => Promise<ChannelMarks>;
}

/** Messages admitted together; `finish` gives what to commit with them. */
export class WindowBatch {
  readonly #parts: BatchParts;
  readonly #writes: Write[] = [];
  /** Admitted in this batch, by channel. */
  readonly #admitted = new Map<ChannelMarks, Set<bigint>>();

  constructor(parts: BatchParts) {
    this.#parts = parts;
  }

  /** False: it was seen. Throws replay-too-old below the floor of its path. */
  async admit({ channel, nonce, sentAt, via, isFinal, tag }: Arrival): Promise<boolean> {
    const marks = await this.#parts.marksOf(channel);
    const mine = this.#admitted.get(marks);
    if (nonce <= marks.top) {
      if (mine?.has(nonce) === true) return false;
      if ((await findSeen(this.#parts.store, marks, nonce)) !== undefined) return false;
    }
    // What was forgotten is refused on both paths: else what one forgot would come back by the other.
    const isPassed = nonce <= marks.get('passed') && nonce > this.#nonceAt(sentAt + this.#parts.retentionMs);
    if (nonce < this.#floor(via, marks) || nonce <= marks.get('forgotten') || isPassed)
      throw new RelayError('replay-too-old');
    this.#writes.push({ key: marks.seenKey(via, nonce), value: tag });
    if (this.#isAhead(nonce)) this.#writes.push({ key: aheadKey(this.#parts.nowMs, marks, nonce), value: nothing });
    marks.noteSeen(via, nonce);
    if (via === 'chain' && isFinal) marks.raise('highest', nonce);
    if (mine === undefined) this.#admitted.set(marks, new Set([nonce]));
    else mine.add(nonce);
    return true;
  }

  /** All that is to be written. The batch is over with it. */
  async finish(): Promise<Write[]> {
    for (const [marks, { size }] of this.#admitted) await this.#prune(marks, prunedPerMessage * size);
    await this.#pruneAhead();
    for (const marks of this.#admitted.keys()) this.#writes.push(...marks.takeWrites());
    return this.#writes;
  }

  #floor(path: Path, marks: ChannelMarks): bigint {
    const { nowMs, retentionMs } = this.#parts;
    return path === 'relay'
      ? this.#nonceAt(nowMs - retentionMs)
      : marks.get('highest') - (retentionMs << nonceBitsBelowMs);
  }

  /**
   * Forgets what its own path would not admit again, and remembers up to where, so that no path admits it again: not
   * the other, whose floor may be far lower, nor the same after the clock was put back. A nonce seen on chain stays
   * until both floors are past it: others around it may have been missed for long, and are still to come.
   */
  async #prune(marks: ChannelMarks, limit: number): Promise<void> {
    const relay = this.#floor('relay', marks);
    const chain = this.#floor('chain', marks);
    await this.#pruneBelow(chain < relay ? chain : relay, 'chain', marks, limit);
    await this.#pruneBelow(relay, 'relay', marks, limit);
  }

  async #pruneBelow(floor: bigint, path: Path, marks: ChannelMarks, limit: number): Promise<void> {
    if (floor <= 0n || marks.lowest[path] >= floor) return;
    const { store } = this.#parts;
    const from = marks.seenKey(path, 0n);
    const old = await store.entries({ from, to: marks.seenKey(path, floor), limit });
    for (const [key] of old) {
      this.#writes.push({ key, value: undefined });
      marks.raise('forgotten', lastNumber(key));
    }
    let lowest = 0n;
    if (old.length < limit) {
      const [first] = await store.entries({
        from: marks.seenKey(path, floor),
        to: marks.seenKey(path, beyondAll - 1n),
        limit: 1,
      });
      lowest = first === undefined ? beyondAll : lastNumber(first[0]);
    }
    // Those of this batch are not in the store yet.
    for (const nonce of this.#admitted.get(marks) ?? []) if (nonce < lowest) lowest = nonce;
    marks.lowest[path] = lowest;
  }

  /**
   * A nonce far in the future would never fall below the floor of the clock. It is forgotten when it was seen so long
   * ago that its message is refused for its `sentAt`; on chain, where no clock is asked, when it is below that floor too.
   */
  async #pruneAhead(): Promise<void> {
    const { store, nowMs, retentionMs } = this.#parts;
    const dueMs = nowMs - 2n * retentionMs;
    if (dueMs <= 0n) return;
    const due = await store.entries({
      from: storeKey('ahead/', 0n),
      to: storeKey('ahead/', dueMs),
      limit: prunedPerMessage,
    });
    for (const [key] of due) {
      const { channel, nonce } = readAheadKey(key);
      const marks = await this.#parts.marksOf(channel);
      this.#writes.push({ key, value: undefined });
      const isStillNeeded = nonce >= this.#floor('chain', marks) && (await this.#isOnChain(marks, nonce));
      if (isStillNeeded) this.#writes.push({ key: aheadKey(nowMs, marks, nonce), value: nothing });
      else {
        for (const path of paths) this.#writes.push({ key: marks.seenKey(path, nonce), value: undefined });
        marks.raise('passed', nonce);
        this.#writes.push(...marks.takeWrites());
      }
    }
  }

  async #isOnChain(marks: ChannelMarks, nonce: bigint): Promise<boolean> {
    return (await this.#parts.store.get(marks.seenKey('chain', nonce))) !== undefined;
  }

  /** Whether the clock will reach it no sooner than after another retention. */
  #isAhead(nonce: bigint): boolean {
    const { nowMs, retentionMs } = this.#parts;
    return nonce > this.#nonceAt(nowMs + retentionMs);
  }

  #nonceAt(ms: bigint): bigint {
    return ms << nonceBitsBelowMs;
  }
}

async function findSeen(
  store: TransactionalStore,
  marks: ChannelMarks,
  nonce: bigint,
): Promise<Uint8Array | undefined> {
  const [onChain, relayed] = await Promise.all(paths.map((path) => store.get(marks.seenKey(path, nonce))));
  return onChain ?? relayed;
}

function aheadKey(seenAtMs: bigint, { bytes }: ChannelMarks, nonce: bigint): Uint8Array {
  return storeKey('ahead/', storeKey(seenAtMs), bytes, nonce);
}

function readAheadKey(key: Uint8Array): { readonly channel: ChannelId; readonly nonce: bigint } {
  const at = storeKey('ahead/', 0n).length;
  return { channel: channelOfBytes(key.subarray(at, -8)), nonce: lastNumber(key) };
}
