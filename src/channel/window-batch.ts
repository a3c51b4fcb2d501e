import type { Hex } from '../codec/index.ts';
import { RelayError } from '../errors/index.ts';
import type { TransactionalStore, Write } from '../store/index.ts';
import { Admitted } from './admitted.ts';
import type { ChannelId } from './channel-id.ts';
import { beyondAll, paths, type ChannelMarks, type Path } from './channel-marks.ts';
import { decodeTag, encodeTag, tagInRun } from './seen-run.ts';
import { aheadWrite, WindowPruning } from './window-pruning.ts';

const nonceBitsBelowMs = 20n;

/** A message as the window sees it. */
export interface Arrival {
  readonly channel: ChannelId;
  readonly nonce: bigint;
  /** Unix time, ms, by the sender's clock. Of a relayed message no further from the clock than the retention. */
  readonly sentAt: bigint;
  readonly via: Path;
  /** Whether the block is finalized: only then the floor of the path follows it. */
  readonly isFinal: boolean;
  /** What `ReplayWindow.find` gives for its nonce: of 64 bits. */
  readonly tag: bigint;
}

export interface BatchParts {
  readonly store: TransactionalStore;
  readonly nowMs: bigint;
  readonly retentionMs: bigint;
  /** What is in memory already. */
  readonly known: (channel: ChannelId) => ChannelMarks | undefined;
  readonly marksOf: (channel: ChannelId) => Promise<ChannelMarks>;
}

/** Messages admitted together; `finish` gives what to commit with them. */
export class WindowBatch {
  readonly #parts: BatchParts;
  readonly #writes: Write[] = [];
  readonly #admitted = new Map<ChannelMarks, Admitted>();
  /** Of the channels met in this batch, by sender: they are not in the store yet, whatever the window forgets meanwhile. */
  readonly #met = new Map<Hex, { readonly channel: ChannelId; readonly marks: ChannelMarks }[]>();
  readonly #window: bigint;
  readonly #relayFloor: bigint;
  readonly #aheadFrom: bigint;

  constructor(parts: BatchParts) {
    const { nowMs, retentionMs } = parts;
    this.#parts = parts;
    this.#window = retentionMs << nonceBitsBelowMs;
    this.#relayFloor = this.#nonceAt(nowMs - retentionMs);
    this.#aheadFrom = this.#nonceAt(nowMs + retentionMs);
  }

  /** False: it was seen. Throws replay-too-old below the floor of its path. */
  async admit(arrival: Arrival): Promise<boolean> {
    const admitted = this.admitNow(arrival);
    if (admitted !== undefined) return admitted;
    const { channel, nonce } = arrival;
    const marks = await this.#marksOf(channel);
    if (nonce <= marks.top) {
      if (this.#admitted.get(marks)?.has(nonce) === true) return false;
      if ((await findSeen(this.#parts.store, marks, nonce)) !== undefined) return false;
    }
    this.#take(marks, arrival);
    return true;
  }

  /** As {@link admit} where nothing has to be looked up, as for most; undefined where something has to. */
  admitNow(arrival: Arrival): boolean | undefined {
    const { channel, nonce } = arrival;
    const marks = this.#knownMarks(channel);
    if (marks === undefined || nonce <= marks.top) return undefined;
    this.#take(marks, arrival);
    return true;
  }

  /** As {@link admitNow} for one in a finalized block: most are above all that was seen of their channel. */
  admitFinalNow(channel: ChannelId, nonce: bigint, tag: bigint): true | undefined {
    const marks = this.#knownMarks(channel);
    if (marks === undefined || nonce <= marks.top || nonce > this.#aheadFrom) return undefined;
    this.#takeAboveAll(marks, nonce, tag);
    return true;
  }

  /** All that is to be written. The batch is over with it. */
  async finish(): Promise<Write[]> {
    const pruning = new WindowPruning({
      ...this.#parts,
      writes: this.#writes,
      floor: (path, marks) => this.#floor(path, marks),
      marksOf: (channel) => this.#marksOf(channel),
    });
    for (const [marks, admitted] of this.#admitted) {
      this.#writeSeen(marks, admitted);
      await pruning.prune(marks, admitted);
    }
    await pruning.pruneAhead();
    for (const marks of this.#admitted.keys()) this.#writes.push(...marks.takeWrites());
    return this.#writes;
  }

  async #marksOf(channel: ChannelId): Promise<ChannelMarks> {
    return this.#knownMarks(channel) ?? this.#meet(channel, await this.#parts.marksOf(channel));
  }

  #knownMarks(channel: ChannelId): ChannelMarks | undefined {
    const { fromKind, from, to } = channel;
    const met = this.#met.get(from);
    for (let i = 0; met !== undefined && i < met.length; i++) {
      const each = met[i];
      if (each?.channel.to === to && each.channel.fromKind === fromKind) return each.marks;
    }
    const marks = this.#parts.known(channel);
    return marks === undefined ? undefined : this.#meet(channel, marks);
  }

  #meet(channel: ChannelId, marks: ChannelMarks): ChannelMarks {
    const met = this.#met.get(channel.from);
    if (met === undefined) this.#met.set(channel.from, [{ channel, marks }]);
    else met.push({ channel, marks });
    return marks;
  }

  #take(marks: ChannelMarks, { nonce, sentAt, via, isFinal, tag }: Arrival): void {
    const isOnChain = via === 'chain' && isFinal;
    // Above all of its channel, as most are, it is below no floor either.
    if (isOnChain && nonce > marks.top && nonce <= this.#aheadFrom) {
      this.#takeAboveAll(marks, nonce, tag);
      return;
    }
    // What was forgotten is refused on both paths: else what one forgot would come back by the other.
    const isPassed = nonce <= marks.get('passed') && nonce > this.#nonceAt(sentAt + this.#parts.retentionMs);
    if (nonce < this.#floor(via, marks) || nonce <= marks.get('forgotten') || isPassed)
      throw new RelayError('replay-too-old');
    // What may be released or forgotten by itself is kept by itself.
    this.#admittedOf(marks).addAlone(nonce, tag, via);
    marks.noteSeen(via, nonce);
    if (isOnChain) marks.raise('highest', nonce);
  }

  #takeAboveAll(marks: ChannelMarks, nonce: bigint, tag: bigint): void {
    this.#admittedOf(marks).addToRun(nonce, tag);
    marks.advance(nonce);
  }

  #admittedOf(marks: ChannelMarks): Admitted {
    let admitted = this.#admitted.get(marks);
    if (admitted === undefined) this.#admitted.set(marks, (admitted = new Admitted()));
    return admitted;
  }

  #writeSeen(marks: ChannelMarks, { alone, run }: Admitted): void {
    const [only] = run.nonces;
    if (run.nonces.length === 1 && only !== undefined) {
      alone.push({ path: 'chain', nonce: only, tag: run.tags[0] ?? 0n });
      marks.noteSeen('chain', only);
    } else if (only !== undefined) {
      this.#writes.push({ key: marks.runKey(run.last), value: run.encode() });
      marks.noteRun(run.last);
    }
    for (const { path, nonce, tag } of alone) {
      this.#writes.push({ key: marks.seenKey(path, nonce), value: encodeTag(tag) });
      if (nonce > this.#aheadFrom) this.#writes.push(aheadWrite(this.#parts.nowMs, marks, nonce));
    }
  }

  #floor(path: Path, marks: ChannelMarks): bigint {
    return path === 'relay' ? this.#relayFloor : marks.get('highest') - this.#window;
  }

  #nonceAt(ms: bigint): bigint {
    return ms << nonceBitsBelowMs;
  }
}

/** The tag of a nonce that is in the store. */
export async function findSeen(
  store: TransactionalStore,
  marks: ChannelMarks,
  nonce: bigint,
): Promise<bigint | undefined> {
  const [onChain, relayed] = await Promise.all(paths.map((path) => store.get(marks.seenKey(path, nonce))));
  const alone = onChain ?? relayed;
  if (alone !== undefined) return decodeTag(alone);
  // Runs do not overlap: it is in the first one that ends with it or later, or in none.
  const [run] = await store.entries({ from: marks.runKey(nonce), to: marks.runKey(beyondAll - 1n), limit: 1 });
  return run && tagInRun(run[1], nonce);
}
