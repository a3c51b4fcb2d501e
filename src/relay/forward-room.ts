import type { Hex } from '../codec/index.ts';
import { RelayError } from '../errors/index.ts';
import { defaultQuota, whyFull, type Fill, type MailQuota, type Origin } from '../store/mail-quota.ts';

interface Queue extends Fill {
  readonly recipient: Hex;
}

/**
 * The queues that are not empty, whom they are for, and what waits for each recipient in all of its own: a sender's key costs
 * nothing, so a bound for each queue is none.
 */
export class ForwardRoom {
  readonly #quota: typeof defaultQuota;
  readonly #queues = new Map<Hex, Queue>();
  readonly #recipients = new Map<Hex, Fill>();

  constructor(quota: MailQuota = {}) {
    this.#quota = { ...defaultQuota, ...quota };
  }

  /** Queues that were not found empty. */
  queues(): readonly Hex[] {
    return [...this.#queues.keys()];
  }

  recipientOf(queue: Hex): Hex | undefined {
    return this.#queues.get(queue)?.recipient;
  }

  /** mailbox-full: one more message of so many bytes is too much for its recipient. */
  refusal(recipient: Hex, size: number, origin: Origin): RelayError | undefined {
    const reason = whyFull(this.#quota, this.#recipients.get(recipient) ?? { count: 0, bytes: 0 }, size, origin);
    return reason === undefined ? undefined : new RelayError('mailbox-full', { details: { recipient, reason } });
  }

  /** A message came into a queue. */
  add(queue: Hex, recipient: Hex, size: number): void {
    const { count, bytes } = this.#queues.get(queue) ?? { count: 0, bytes: 0 };
    this.set(queue, recipient, { count: count + 1, bytes: bytes + size });
  }

  /** Messages went out of a queue. */
  remove(queue: Hex, { count, bytes }: Readonly<Fill>): void {
    const found = this.#queues.get(queue);
    if (found === undefined) return;
    const left = { count: Math.max(0, found.count - count), bytes: Math.max(0, found.bytes - bytes) };
    this.set(queue, found.recipient, left);
  }

  /** What a queue holds, as its store says. */
  set(queue: Hex, recipient: Hex, { count, bytes }: Readonly<Fill>): void {
    this.empty(queue);
    this.#queues.set(queue, { recipient, count, bytes });
    const all = this.#recipients.get(recipient) ?? { count: 0, bytes: 0 };
    this.#recipients.set(recipient, { count: all.count + count, bytes: all.bytes + bytes });
  }

  /** A queue was found empty. */
  empty(queue: Hex): void {
    const found = this.#queues.get(queue);
    if (found === undefined) return;
    this.#queues.delete(queue);
    const all = this.#recipients.get(found.recipient);
    if (all === undefined) return;
    const left = { count: all.count - found.count, bytes: all.bytes - found.bytes };
    if (left.count === 0) this.#recipients.delete(found.recipient);
    else this.#recipients.set(found.recipient, left);
  }
}
