import { lastNumber, storeKey, type TransactionalStore, type Write } from '../store/index.ts';
import type { Admitted } from './admitted.ts';
import { channelOfBytes, type ChannelId } from './channel-id.ts';
import { beyondAll, paths, type ChannelMarks, type Path } from './channel-marks.ts';

export interface PruningParts {
  readonly store: TransactionalStore;
  /** Gets what is to be written. */
  readonly writes: Write[];
  readonly nowMs: bigint;
  readonly retentionMs: bigint;
  /** Below it the path admits no nonce of the channel. */
  readonly floor: (path: Path, marks: ChannelMarks) => bigint;
  readonly marksOf: (channel: ChannelId) => Promise<ChannelMarks>;
}

const prunedPerMessage = 16;
/** In one transaction. */
const prunedRuns = 16;
const nothing = new Uint8Array(0);

/** What a batch of messages has the window forget: a bounded number of nonces for each that it admitted. */
export class WindowPruning {
  readonly #parts: PruningParts;

  constructor(parts: PruningParts) {
    this.#parts = parts;
  }

  /**
   * Forgets what its own path would not admit again, and remembers up to where, so that no path admits it again: not
   * the other, whose floor may be far lower, nor the same after the clock was put back. A nonce seen on chain stays
   * until both floors are past it: others around it may have been missed for long, and are still to come.
   */
  async prune(marks: ChannelMarks, admitted: Admitted): Promise<void> {
    const { floor } = this.#parts;
    const relay = floor('relay', marks);
    const chain = floor('chain', marks);
    const both = chain < relay ? chain : relay;
    await this.#pruneBelow(both, 'chain', marks, admitted);
    await this.#pruneBelow(relay, 'relay', marks, admitted);
    await this.#pruneRuns(both, marks, admitted);
  }

  /** A run goes as a whole, when all of it is below the floor. */
  async #pruneRuns(floor: bigint, marks: ChannelMarks, admitted: Admitted): Promise<void> {
    if (floor <= 0n || marks.lowestRun >= floor) return;
    const { store, writes } = this.#parts;
    const all = { from: marks.runKey(0n), to: marks.runKey(beyondAll - 1n) };
    const lowest = await store.entries({ ...all, limit: prunedRuns + 1 });
    let kept = beyondAll;
    for (const [i, [key]] of lowest.entries()) {
      const last = lastNumber(key);
      if (i === prunedRuns || last >= floor) {
        kept = last;
        break;
      }
      writes.push({ key, value: undefined });
      marks.raise('forgotten', last);
    }
    // The one of this batch is not in the store yet.
    const own = admitted.run.last;
    marks.lowestRun = own >= 0n && own < kept ? own : kept;
  }

  async #pruneBelow(floor: bigint, path: Path, marks: ChannelMarks, admitted: Admitted): Promise<void> {
    if (floor <= 0n || marks.lowest[path] >= floor) return;
    const { store, writes } = this.#parts;
    const limit = prunedPerMessage * admitted.size;
    const from = marks.seenKey(path, 0n);
    const old = await store.entries({ from, to: marks.seenKey(path, floor), limit });
    for (const [key] of old) {
      writes.push({ key, value: undefined });
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
    for (const { nonce } of admitted.alone) if (nonce < lowest) lowest = nonce;
    marks.lowest[path] = lowest;
  }

  /**
   * A nonce far in the future would never fall below the floor of the clock. It is forgotten when it was seen so long
   * ago that its message is refused for its `sentAt`; on chain, where no clock is asked, when it is below that floor too.
   */
  async pruneAhead(): Promise<void> {
    const { store, writes, nowMs, retentionMs, floor, marksOf } = this.#parts;
    const dueMs = nowMs - 2n * retentionMs;
    if (dueMs <= 0n) return;
    const due = await store.entries({
      from: storeKey('ahead/', 0n),
      to: storeKey('ahead/', dueMs),
      limit: prunedPerMessage,
    });
    for (const [key] of due) {
      const { channel, nonce } = readAheadKey(key);
      const marks = await marksOf(channel);
      writes.push({ key, value: undefined });
      const isStillNeeded = nonce >= floor('chain', marks) && (await this.#isOnChain(marks, nonce));
      if (isStillNeeded) writes.push(aheadWrite(nowMs, marks, nonce));
      else {
        for (const path of paths) writes.push({ key: marks.seenKey(path, nonce), value: undefined });
        marks.raise('passed', nonce);
        writes.push(...marks.takeWrites());
      }
    }
  }

  async #isOnChain(marks: ChannelMarks, nonce: bigint): Promise<boolean> {
    return (await this.#parts.store.get(marks.seenKey('chain', nonce))) !== undefined;
  }
}

/** Marks a nonce far in the future. */
export function aheadWrite(seenAtMs: bigint, { bytes }: ChannelMarks, nonce: bigint): Write {
  return { key: storeKey('ahead/', storeKey(seenAtMs), bytes, nonce), value: nothing };
}

function readAheadKey(key: Uint8Array): { readonly channel: ChannelId; readonly nonce: bigint } {
  const at = storeKey('ahead/', 0n).length;
  return { channel: channelOfBytes(key.subarray(at, -8)), nonce: lastNumber(key) };
}
