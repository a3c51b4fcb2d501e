import type { Hex } from '../codec/index.ts';
import type { Change, Stored } from './outbox-change.ts';
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

  /** Adds to a change that the message may be answered under its latest id, where its recipient's word is waited for. */
  add(stored: Stored, sealed: Sealed, change: Change): Change {
    if (!stored.record.readReceipt) return change;
    const ids = [...(this.#ids.get(stored.id) ?? []), sealed.messageId];
    for (const id of ids.splice(0, ids.length - mostIds)) change.unask(id);
    this.#ids.set(stored.id, ids);
    return change.ask(stored, sealed, this.#now());
  }

  /** It arrived. */
  forget(id: SendId): void {
    this.#ids.delete(id);
  }
}
