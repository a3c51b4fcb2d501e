import type { Hex } from '../../codec/index.ts';
import { RelayError } from '../../errors/index.ts';
import { Readers } from '../readers.ts';
import type { Mailboxes } from './mailboxes.ts';
import type { Shards } from './shard.ts';

export interface ClaimParts {
  readonly shards: Shards;
  readonly mailboxes: Mailboxes;
  /** Unlike that of any other process. */
  readonly writer: string;
  /** Unix time, ms. */
  readonly now: () => number;
  /** Tells the other processes. */
  readonly tell: (recipient: Hex, mark: string) => void;
}

// Nobody is left to tell who has not been heard of for that long.
const lifetime = '24h';

/**
 * Who reads a mailbox, among all processes: the newest claim in the stream counts, a notice only says to look. Of a mailbox
 * that nobody has written to there is nothing in the stream, since anyone may claim one of its own: of such claims the others
 * are told, and one that is not heard of leaves two readers, of which each gets all.
 */
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
    const { mailboxes, writer, now, tell } = this.#parts;
    const mark = `${now()}-${writer}-${++this.#lastClaim}`;
    const { state, count } = await mailboxes.get(recipient);
    if (state > 0 || count > 0) await this.#store(recipient, mark);
    this.#marks.set(recipient, mark);
    const release = this.#readers.claim(recipient, lost);
    tell(recipient, mark);
    return () => {
      release();
      if (this.#marks.get(recipient) === mark) this.#marks.delete(recipient);
    };
  }

  /** Someone else may have claimed it, by `claimed` where that is known. */
  async check(recipient: Hex, claimed?: string): Promise<void> {
    const mark = this.#marks.get(recipient);
    if (mark === undefined) return;
    const { shards } = this.#parts;
    const { stream, claim } = shards.of(recipient);
    const stored = await shards.leader.message(stream, { last_by_subj: claim });
    const newest = stored === undefined ? claimed : new TextDecoder().decode(stored.data);
    const isOurs = newest === undefined || newest === mark || (stored === undefined && !isNewer(newest, mark));
    if (isOurs || this.#marks.get(recipient) !== mark) return;
    this.#marks.delete(recipient);
    this.#readers.lose(recipient);
  }

  /** Notices may have been missed. */
  async checkAll(): Promise<void> {
    for (const recipient of [...this.#marks.keys()]) await this.check(recipient);
  }

  async #store(recipient: Hex, mark: string): Promise<void> {
    const { publisher, claim } = this.#parts.shards.of(recipient);
    const data = new TextEncoder().encode(mark);
    const headers = { 'Nats-Rollup': 'sub', 'Nats-TTL': lifetime };
    const published = await publisher.publish({ subject: claim, data, headers });
    if ('refused' in published)
      throw new RelayError('mail-store-failed', { details: { action: 'claim a mailbox', reason: published.refused } });
  }
}

/** By time, then by who made it: of two at once both processes find the same one. */
function isNewer(mark: string, than: string): boolean {
  const [at, other] = [Number.parseInt(mark, 10), Number.parseInt(than, 10)];
  return at === other ? mark > than : at > other;
}
