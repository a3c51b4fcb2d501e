import type { Subscription } from '@nats-io/transport-node';
import type { Hex } from '../../codec/index.ts';
import { allNotices, noticeSubject, recipientOf } from './layout.ts';
import type { Link } from './link.ts';

/** What another process did to a mailbox. */
export type Notice =
  | {
      readonly type: 'changed';
      /** Messages and bytes more, or less. */
      readonly count: number;
      readonly bytes: number;
      /** Newest sequence appended; 0: none. */
      readonly last: number;
    }
  | { readonly type: 'claimed' };

interface Change {
  count: number;
  bytes: number;
  last: number;
}

/**
 * Hints between the processes that share a store: who misses one is late, not wrong. Changes of one turn of the event
 * loop to one mailbox share a notice.
 */
export class Notices {
  readonly #link: Link;
  readonly #name: string;
  readonly #writer: string;
  readonly #subscription: Subscription;
  readonly #changes = new Map<Hex, Change>();

  constructor(
    link: Link,
    { name, writer, receive }: { name: string; writer: string; receive: (recipient: Hex, notice: Notice) => void },
  ) {
    this.#link = link;
    this.#name = name;
    this.#writer = writer;
    this.#subscription = link.connection.subscribe(allNotices(name), {
      callback: (error, message) => {
        if (error !== null) return;
        const notice = decode(message.string(), writer);
        if (notice !== undefined) receive(recipientOf(message.subject), notice);
      },
    });
  }

  changed(recipient: Hex, count: number, bytes: number, last = 0): void {
    const change = this.#changes.get(recipient);
    if (change === undefined) {
      if (this.#changes.size === 0) setImmediate(() => this.#flush());
      this.#changes.set(recipient, { count, bytes, last });
      return;
    }
    change.count += count;
    change.bytes += bytes;
    change.last = Math.max(change.last, last);
  }

  claimed(recipient: Hex): void {
    this.#send(recipient, 'claimed');
  }

  close(): void {
    this.#flush();
    this.#subscription.unsubscribe();
  }

  #flush(): void {
    for (const [recipient, { count, bytes, last }] of this.#changes) this.#send(recipient, `${count} ${bytes} ${last}`);
    this.#changes.clear();
  }

  #send(recipient: Hex, text: string): void {
    try {
      this.#link.publish(noticeSubject(this.#name, recipient), `${this.#writer} ${text}`, {});
    } catch {
      // They look for themselves when the connection is back.
    }
  }
}

/** undefined: our own, or from a version that says it otherwise. */
function decode(text: string, own: string): Notice | undefined {
  const [writer, ...said] = text.split(' ');
  if (writer === own) return undefined;
  if (said.length === 1 && said[0] === 'claimed') return { type: 'claimed' };
  const [count = Number.NaN, bytes = Number.NaN, last = Number.NaN] = said.map(Number);
  return [count, bytes, last].every(Number.isSafeInteger) ? { type: 'changed', count, bytes, last } : undefined;
}
