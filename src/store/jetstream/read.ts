import { setTimeout as sleep } from 'node:timers/promises';
import type { Hex } from '../../codec/index.ts';
import { RelayError } from '../../errors/index.ts';
import type { Mail, ReadLimit } from '../mail-store.ts';
import type { Delivered } from './delivered.ts';
import type { StoredMessage } from './direct-read.ts';
import { sentBy, type MailHeader } from './header-scan.ts';
import { idOf, idTokenOf } from './layout.ts';
import type { Mailboxes } from './mailboxes.ts';
import { storedAtOf } from './notes.ts';
import type { Shards } from './shard.ts';
import { Turns } from './turns.ts';

export interface ReadParts {
  readonly shards: {
    of(recipient: Hex): Pick<ReturnType<Shards['of']>, 'stream' | 'mail'>;
    readonly direct: Pick<Shards['direct'], 'read'>;
    readonly leader: Pick<Shards['leader'], 'message'>;
  };
  readonly mailboxes: Pick<Mailboxes, 'get' | 'peek'>;
  readonly delivered: Pick<Delivered, 'add'>;
  /** How long a replica may be behind, ms. */
  readonly timeoutMs: number;
}

const defaults = { count: 256, bytes: 2 ** 20 };
const pauses = { firstMs: 5, mostMs: 200 };
// Of a message's headers, which JetStream counts as bytes of a page.
const headersBytes = 512;
/** Pages under way: recipients ask by the thousand when NATS is back, and each page is in memory while it comes. */
const pagesAtOnce = 64;

/** Reads a mailbox page by page. */
export class MailReader {
  readonly #parts: ReadParts;
  readonly #turns = new Turns(pagesAtOnce);

  constructor(parts: ReadParts) {
    this.#parts = parts;
  }

  /** What is there after a cursor, as far as this process has heard of it. Throws mail-store-failed. */
  async read(recipient: Hex, after: number, limit: ReadLimit): Promise<Mail[]> {
    const { shards, mailboxes, timeoutMs } = this.#parts;
    const { count, bytes } = { ...defaults, ...limit };
    const { stream, mail } = shards.of(recipient);
    // A replica that is behind still has what was acknowledged.
    const from = Math.max(after, (await mailboxes.get(recipient)).acknowledged);
    const request = {
      ...{ seq: from + 1, next_by_subj: mail, batch: count },
      max_bytes: bytes + count * headersBytes,
    };
    let until: number | undefined;
    for (let pauseMs = pauses.firstMs; ; pauseMs = Math.min(pauses.mostMs, 2 * pauseMs)) {
      const { messages } = await this.#turns.run(() => shards.direct.read(stream, request));
      if (messages.length > 0) return this.#take(recipient, from, messages, bytes);
      if (await this.#isEmpty(recipient, from)) return [];
      // The replica that answered is behind.
      until ??= performance.now() + timeoutMs;
      if (performance.now() > until)
        throw new RelayError('mail-store-failed', {
          details: { action: 'read', reason: `a replica of ${stream} has been behind for ${timeoutMs} ms` },
        });
      await sleep(pauseMs);
    }
  }

  #take(recipient: Hex, after: number, messages: readonly StoredMessage[], room: number): Mail[] {
    const page: Mail[] = [];
    const headers: MailHeader[] = [];
    let left = room;
    for (const { sequence, data, note, key } of messages) {
      const [idToken, storedAt] = [idTokenOf(key), storedAtOf(note)];
      headers.push({ sequence, idToken, size: data.length, ...sentBy(note), storedAt });
      page.push({ cursor: BigInt(sequence), messageId: idOf(idToken), storedAt, bytes: data });
      left -= data.length;
      if (left <= 0) break;
    }
    this.#parts.delivered.add(recipient, after, headers);
    return page;
  }

  /** Whether there is nothing after a cursor, though this process may have heard of something. */
  async #isEmpty(recipient: Hex, after: number): Promise<boolean> {
    const { shards, mailboxes } = this.#parts;
    const known = mailboxes.peek(recipient);
    if (known === undefined || known.last <= Math.max(after, known.acknowledged)) return true;
    const { stream, mail } = shards.of(recipient);
    const query = { seq: after + 1, next_by_subj: mail };
    if ((await shards.leader.message(stream, query)) !== undefined) return false;
    known.last = after;
    return true;
  }
}
