import type { Hex } from '../../codec/index.ts';
import { RelayError } from '../../errors/index.ts';
import { Readers } from '../readers.ts';
import type { Shards } from './shard.ts';

export interface ClaimParts {
  readonly shards: Shards;
  /** Unlike that of any other process. */
  readonly writer: string;
  /** Tells the other processes. */
  readonly tell: (recipient: Hex) => void;
}

// Nobody is left to tell who has not been heard of for that long.
const lifetime = '24h';

/** Who reads a mailbox, among all processes: the newest claim in the stream counts, a notice only says to look. */
export class Claims {
  readonly #parts: ClaimParts;
  readonly #readers = new Readers();
  readonly #marks = new Map<Hex, string>();
  #lastClaim = 0;

  constructor(parts: ClaimParts) {
    this.#parts = parts;
  }

  /** Throws mail-store-failed. */
  async claim(recipient: Hex, lost: () => void): Promise<() => void> {
    const { shards, writer, tell } = this.#parts;
    const { publisher, claim } = shards.of(recipient);
    const mark = `${writer}-${++this.#lastClaim}`;
    const data = new TextEncoder().encode(mark);
    const headers = { 'Nats-Rollup': 'sub', 'Nats-TTL': lifetime };
    const published = await publisher.publish({ subject: claim, data, headers });
    if ('refused' in published)
      throw new RelayError('mail-store-failed', { details: { action: 'claim a mailbox', reason: published.refused } });
    this.#marks.set(recipient, mark);
    const release = this.#readers.claim(recipient, lost);
    tell(recipient);
    return () => {
      release();
      if (this.#marks.get(recipient) === mark) this.#marks.delete(recipient);
    };
  }

  /** Someone else may have claimed it. */
  async check(recipient: Hex): Promise<void> {
    const mark = this.#marks.get(recipient);
    if (mark === undefined) return;
    const { shards } = this.#parts;
    const { stream, claim } = shards.of(recipient);
    const newest = await shards.leader.message(stream, { last_by_subj: claim });
    const isOurs = newest === undefined || new TextDecoder().decode(newest.data) === mark;
    if (isOurs || this.#marks.get(recipient) !== mark) return;
    this.#marks.delete(recipient);
    this.#readers.lose(recipient);
  }

  /** Notices may have been missed. */
  async checkAll(): Promise<void> {
    for (const recipient of [...this.#marks.keys()]) await this.check(recipient);
  }
}
