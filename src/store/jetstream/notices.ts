import type { Subscription } from '@nats-io/transport-node';
import type { Hex } from '../../codec/index.ts';
import { allNotices, noticeSubject, recipientOf } from './layout.ts';
import type { Link } from './link.ts';
import type { ShareChange } from './shares.ts';

/** What another process did to a mailbox. */
export type Notice =
  | {
      readonly type: 'changed';
      /** undefined: too many to tell. */
      readonly changes: readonly ShareChange[] | undefined;
      /** Newest sequence appended; 0: none; undefined: not told. */
      readonly last: number | undefined;
    }
  /** `mark`: of the claim; undefined: not told. */
  | { readonly type: 'claimed'; readonly mark: string | undefined };

interface Changed {
  readonly bySender: Map<string, ShareChange>;
  last: number;
}

/** Of senders in one notice: NATS bounds it. */
const maxChanges = 500;
const tooMany = 'recount';

export interface NoticesParts {
  readonly name: string;
  readonly writer: string;
  readonly receive: (recipient: Hex, notice: Notice) => void;
  /** Notices do not arrive, as where an account may not subscribe. */
  readonly failed: (error: Error) => void;
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
  readonly #changed = new Map<Hex, Changed>();

  constructor(link: Link, { name, writer, receive, failed }: NoticesParts) {
    this.#link = link;
    this.#name = name;
    this.#writer = writer;
    this.#subscription = link.connection.subscribe(allNotices(name), {
      callback: (error, message) => {
        if (error !== null) {
          failed(error);
          return;
        }
        const notice = decode(message.string(), writer);
        if (notice !== undefined) receive(recipientOf(message.subject), notice);
      },
    });
  }

  changed(recipient: Hex, changes: readonly ShareChange[], last = 0): void {
    if (this.#changed.size === 0) setImmediate(() => this.#flush());
    const changed = this.#changed.get(recipient) ?? { bySender: new Map<string, ShareChange>(), last };
    this.#changed.set(recipient, changed);
    changed.last = Math.max(changed.last, last);
    for (const { sender, count, bytes } of changes) {
      const before = changed.bySender.get(sender) ?? { count: 0, bytes: 0 };
      changed.bySender.set(sender, { sender, count: before.count + count, bytes: before.bytes + bytes });
    }
  }

  claimed(recipient: Hex, mark: string): void {
    this.#send(recipient, `claimed ${mark}`);
  }

  close(): void {
    this.#flush();
    this.#subscription.unsubscribe();
  }

  #flush(): void {
    for (const [recipient, { bySender, last }] of this.#changed) {
      const changes = Array.from(bySender.values(), ({ sender, count, bytes }) => `${count}:${bytes}:${sender}`);
      this.#send(recipient, [last, ...(changes.length > maxChanges ? [tooMany] : changes)].join(' '));
    }
    this.#changed.clear();
  }

  #send(recipient: Hex, text: string): void {
    try {
      this.#link.publish(noticeSubject(this.#name, recipient), `${this.#writer} ${text}`, {});
    } catch {
      // They look for themselves when the connection is back.
    }
  }
}

/** Of a relay of another version, which says it otherwise. */
const unknown: Notice = { type: 'changed', changes: undefined, last: undefined };

/** undefined: our own. */
function decode(text: string, own: string): Notice | undefined {
  const [writer, ...said] = text.split(' ');
  if (writer === own) return undefined;
  if (said.length <= 2 && said[0] === 'claimed') return { type: 'claimed', mark: said[1] };
  const [last, ...told] = said;
  if (!isNumber(last)) return unknown;
  if (told[0] === tooMany) return { type: 'changed', changes: undefined, last: Number(last) };
  const changes: ShareChange[] = [];
  for (const each of told) {
    const [count, bytes, sender] = each.split(':');
    if (!isNumber(count) || !isNumber(bytes) || sender === undefined) return unknown;
    changes.push({ sender, count: Number(count), bytes: Number(bytes) });
  }
  return { type: 'changed', changes, last: Number(last) };
}

function isNumber(text: string | undefined): boolean {
  return text !== undefined && /^-?[0-9]{1,15}$/.test(text);
}
