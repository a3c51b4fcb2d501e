import type { Hex } from '../codec/index.ts';
import { isWaiting } from './message-record.ts';
import type { Change, Stored } from './outbox-change.ts';
import type { OutboxStore } from './outbox-store.ts';
import type { Sealed } from './seal-kept.ts';
import type { SendId } from './send-id.ts';

/** Of one message: any of so many tries may be the one that arrived. */
const mostIds = 16;

/** Ids of messages under way that may be answered. Who answers names the one under which it took the message. */
export class AskedIds {
  readonly #ids = new Map<SendId, Hex[]>();
  readonly #now: () => number;

  /** `now`: Unix time, ms. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** Takes up what earlier processes asked for. */
  async load(store: OutboxStore): Promise<void> {
    const all = await store.allAsked();
    all.sort((a, b) => (a.askedAt ?? 0) - (b.askedAt ?? 0));
    for (const { sendId, messageId } of all) {
      const stored = await store.get(sendId);
      if (stored !== undefined && isWaiting(stored)) this.#ids.set(sendId, [...this.#of(sendId), messageId]);
    }
  }

  /** Adds to a change that the message may be answered under its latest id, where its recipient's word is waited for. */
  add(stored: Stored, sealed: Sealed, change: Change): Change {
    if (!stored.record.readReceipt) return change;
    const ids = [...this.#of(stored.id), sealed.messageId];
    // The first may be the one that arrived, as where its answer was lost; of the rest those do as well.
    for (const id of ids.splice(1, Math.max(0, ids.length - mostIds))) change.unask(id);
    this.#ids.set(stored.id, ids);
    return change.ask(stored, sealed, this.#now());
  }

  /** It has its end. */
  forget(id: SendId): void {
    this.#ids.delete(id);
  }

  #of(id: SendId): readonly Hex[] {
    return this.#ids.get(id) ?? [];
  }
}
