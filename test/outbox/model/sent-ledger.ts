import type { Hex } from '../../../src/codec/index.ts';
import type { OutboxEntry, OutboxQueue } from '../../../src/outbox/index.ts';
import type { SenderEntry } from '../../soak/ledger.ts';

export type Kind = 'worker' | 'account';

/** A message, or a command of Phala's form, which has no nonce by which a recipient would know it. */
export interface Sent extends Pick<OutboxEntry, 'suite' | 'as'> {
  readonly to: Hex;
  readonly text: string;
  /** Its entry in the queue; undefined: that has none so far. */
  entry: Pick<OutboxEntry, 'sendId' | 'nonce'> | undefined;
  /** Its queue never held it, and can not any more. */
  isNeverQueued: boolean;
}

/** What was to be sent and what of it was queued. Where a process died before it could write that down its queue tells. */
export class SentLedger {
  /** In the order in which it was sent. */
  readonly all: Sent[] = [];
  readonly broken: string[] = [];
  /** Of these nobody knows yet whether the queue has them. */
  #open: Sent[] = [];

  /** About to be queued. */
  meant(message: Pick<Sent, 'suite' | 'as' | 'to' | 'text'>): Sent {
    const sent: Sent = { ...message, entry: undefined, isNeverQueued: false };
    this.all.push(sent);
    this.#open.push(sent);
    return sent;
  }

  queued(sent: Sent, entry: Pick<OutboxEntry, 'sendId' | 'nonce'>): void {
    sent.entry = entry;
    this.#close(sent);
  }

  refused(sent: Sent): void {
    sent.isNeverQueued = true;
    this.#close(sent);
  }

  #close(sent: Sent): void {
    this.#open = this.#open.filter((each) => each !== sent);
  }

  /** Before another process queues anything. The one before it died while it queued one at the most: what came later did not reach it. */
  async complete(queue: OutboxQueue): Promise<void> {
    for await (const entry of queue.entries()) {
      if (this.of(entry.sendId) !== undefined) continue;
      const [first] = this.#open;
      const isTo = first?.to === entry.to || entry.suite === 'phala';
      if (first?.suite === entry.suite && first.as === entry.as && isTo) this.queued(first, entry);
      else this.broken.push(`the queue holds ${entry.suite} ${entry.sendId}, which nobody sent`);
      for (const later of this.#open) this.refused(later);
    }
    for (const sent of this.#open) this.refused(sent);
  }

  of(sendId: bigint): Sent | undefined {
    return this.all.find(({ entry }) => entry?.sendId === sendId);
  }

  get countQueued(): number {
    return this.all.filter(({ entry }) => entry !== undefined).length;
  }

  get commands(): Sent[] {
    return this.all.filter(({ suite }) => suite === 'phala');
  }

  get messages(): Sent[] {
    return this.all.filter(({ suite }) => suite === 'v1');
  }

  /** Of messages, as a sender writes them down. */
  entries(kind: Kind): SenderEntry[] {
    return this.messages.flatMap(({ as, to, text, entry, isNeverQueued }): SenderEntry[] => {
      if (as !== kind) return [];
      const meant = { event: 'meant', to, text } as const;
      if (entry !== undefined) return [meant, { event: 'queued', text, nonce: String(entry.nonce) }];
      return isNeverQueued ? [meant, { event: 'listed' }] : [meant];
    });
  }
}
