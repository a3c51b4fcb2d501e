import type { Hex } from '../../codec/index.ts';
import { RelayError } from '../../errors/index.ts';
import type { Mailbox, Mailboxes } from './mailboxes.ts';
import { expectHeaders } from './publication.ts';
import { noteHeader, stateNote } from './notes.ts';
import type { Shards } from './shard.ts';

export interface StateParts {
  readonly shards: Shards;
  readonly mailboxes: Mailboxes;
  readonly retentionMs: number;
  /** Unix time, ms. */
  readonly now: () => number;
}

const mostAttempts = 20;

/**
 * Writes what a stream says of a mailbox: that it is there, and what is acknowledged. It lasts as long as any message
 * may, and is written anew before that: mailboxes that nobody uses any more leave nothing behind.
 */
export class MailboxStates {
  readonly #parts: StateParts;
  readonly #enlisting = new WeakMap<Mailbox, Promise<boolean>>();

  constructor(parts: StateParts) {
    this.#parts = parts;
  }

  /** Before a message is in a mailbox, the mailbox is in the list. False: there is no room. Throws mail-store-failed. */
  enlist(recipient: Hex, mailbox: Mailbox): Promise<boolean> {
    const isFresh = (): boolean => mailbox.state > 0 && this.#parts.now() - mailbox.stateAt < this.#parts.retentionMs;
    if (isFresh()) return Promise.resolve(true);
    const enlisting =
      this.#enlisting.get(mailbox) ??
      this.#write(recipient, mailbox, () => (isFresh() ? undefined : mailbox.acknowledged)).finally(() =>
        this.#enlisting.delete(mailbox),
      );
    this.#enlisting.set(mailbox, enlisting);
    return enlisting;
  }

  /** False: there is no room. Throws mail-store-failed. */
  acknowledge(recipient: Hex, mailbox: Mailbox, acknowledged: number): Promise<boolean> {
    return this.#write(recipient, mailbox, () => (mailbox.acknowledged >= acknowledged ? undefined : acknowledged));
  }

  /** `wanted` gives what is to be acknowledged, undefined: it is as it should be. */
  async #write(recipient: Hex, mailbox: Mailbox, wanted: () => number | undefined): Promise<boolean> {
    const { shards, mailboxes, retentionMs, now } = this.#parts;
    const { publisher, mailbox: subject } = shards.of(recipient);
    for (let attempt = 0; attempt < mostAttempts; attempt++) {
      const acknowledged = wanted();
      if (acknowledged === undefined) return true;
      const stateAt = now();
      const published = await publisher.publish({
        subject,
        headers: {
          [noteHeader]: stateNote(stateAt, acknowledged),
          [expectHeaders.lastSequence]: String(mailbox.state),
          'Nats-Rollup': 'sub',
          'Nats-TTL': `${Math.ceil((2 * retentionMs) / 1_000)}s`,
        },
      });
      if ('sequence' in published) {
        Object.assign(mailbox, { state: published.sequence, stateAt, acknowledged });
        return true;
      }
      if (published.refused === 'full') return false;
      // Another process has written it meanwhile.
      await mailboxes.reloadState(recipient, mailbox);
    }
    throw new RelayError('mail-store-failed', { details: { action: 'write', reason: 'others write the same' } });
  }
}
