import { storeKey, type Expectation, type TransactionalStore, type Write } from '../store/index.ts';
import { channelBytes, type ChannelId } from './channel-id.ts';
import { ChannelMarks, paths } from './channel-marks.ts';
import { encodeTag } from './seen-run.ts';
import { findSeen, WindowBatch, type Arrival } from './window-batch.ts';

const msPerDay = 86_400_000;
/** Channels whose marks are held in memory. */
const maxChannels = 4_096;

export interface ReplayWindowOptions {
  /** How long seen nonces are kept, ms. Default 30 days. */
  readonly retentionMs?: number;
  /** Unix time, ms. Default Date.now. */
  readonly now?: () => number;
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
      known: (channel) => this.#known(channel),
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
  async find(channel: ChannelId, nonce: bigint): Promise<bigint | undefined> {
    return findSeen(this.#store, await this.#marksOf(channel), nonce);
  }

  /** Gives a seen nonce another tag. */
  async retag({ channel, via, nonce, tag }: Pick<Arrival, 'channel' | 'via' | 'nonce' | 'tag'>): Promise<Write> {
    const marks = await this.#marksOf(channel);
    // One that is kept by itself counts more than its place in a run.
    marks.noteSeen(via, nonce);
    return { key: marks.seenKey(via, nonce), value: encodeTag(tag) };
  }

  /** Frees a nonce admitted via chain that a reorg took back. */
  release(channel: ChannelId, nonce: bigint): Write {
    return { key: storeKey('seen/chain/', channelBytes(channel), nonce), value: undefined };
  }

  /** To be called where what was admitted could not be committed: what is remembered is ahead of the store. */
  forget(): void {
    this.#channels.clear();
  }

  #known(channel: ChannelId): ChannelMarks | undefined {
    const name = nameOf(channel);
    const marks = this.#channels.get(name);
    if (marks === undefined) return undefined;
    this.#channels.delete(name);
    this.#channels.set(name, marks);
    return marks;
  }

  async #marksOf(channel: ChannelId): Promise<ChannelMarks> {
    const known = this.#known(channel);
    if (known !== undefined) return known;
    const marks = await ChannelMarks.read(this.#store, channel);
    const name = nameOf(channel);
    const [oldest] = this.#channels.keys();
    if (this.#channels.size >= maxChannels && oldest !== undefined) this.#channels.delete(oldest);
    this.#channels.set(name, marks);
    return marks;
  }
}

function nameOf({ fromKind, from, to }: ChannelId): string {
  return `${fromKind}${from}${to}`;
}
