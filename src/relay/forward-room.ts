import type { Hex } from '../codec/index.ts';
import { RelayError } from '../errors/index.ts';
import { defaultQuota, whyFull, type Fill, type MailQuota, type Origin } from '../store/mail-quota.ts';

export interface ForwardRoomOptions {
  /** Of what waits for one recipient, over all its queues. Default: of a mailbox. */
  readonly quota?: Pick<MailQuota, 'maxCount' | 'maxBytes' | 'strangerPart'>;
  /** Queues that are not empty: each is remembered, and so are its pauses. An eighth of them to one recipient. Default 100 000. */
  readonly maxQueues?: number;
}

interface Queue extends Fill {
  readonly recipient: Hex;
}

interface RecipientFill extends Fill {
  readonly queues: number;
}

const defaultMaxQueues = 100_000;
const sharePerRecipient = 1 / 8;
const nothing: RecipientFill = { count: 0, bytes: 0, queues: 0 };

/**
 * The queues that are not empty, whom they are for, and what waits for each recipient in all of its own: a sender's key costs
 * nothing, so a bound for each queue is none.
 */
export class ForwardRoom {
  readonly #quota: typeof defaultQuota;
  readonly #maxQueues: number;
  readonly #queues = new Map<Hex, Queue>();
  readonly #recipients = new Map<Hex, RecipientFill>();

  constructor({ quota, maxQueues = defaultMaxQueues }: ForwardRoomOptions = {}) {
    this.#quota = { ...defaultQuota, ...quota };
    this.#maxQueues = maxQueues;
  }

  /** Queues that were not found empty. */
  queues(): readonly Hex[] {
    return [...this.#queues.keys()];
  }

  /** No more queues are remembered. */
  get isFull(): boolean {
    return this.#queues.size >= this.#maxQueues;
  }

  recipientOf(queue: Hex): Hex | undefined {
    return this.#queues.get(queue)?.recipient;
  }

  /** mailbox-full: one more message of so many bytes in that queue is too much for its recipient, or for all. */
  refusal(queue: Hex, recipient: Hex, size: number, origin: Origin): RelayError | undefined {
    const all = this.#recipients.get(recipient) ?? nothing;
    const reason =
      whyFull(this.#quota, all, size, origin) ?? (this.#queues.has(queue) ? undefined : this.#whyNoQueue(all, origin));
    return reason === undefined ? undefined : new RelayError('mailbox-full', { details: { recipient, reason } });
  }

  /** A message came into a queue. */
  add(queue: Hex, recipient: Hex, size: number): void {
    const { count, bytes } = this.#queues.get(queue) ?? nothing;
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
    const all = this.#recipients.get(recipient) ?? nothing;
    this.#recipients.set(recipient, { count: all.count + count, bytes: all.bytes + bytes, queues: all.queues + 1 });
  }

  /** A queue was found empty. */
  empty(queue: Hex): void {
    const found = this.#queues.get(queue);
    if (found === undefined) return;
    this.#queues.delete(queue);
    const all = this.#recipients.get(found.recipient);
    if (all === undefined) return;
    const { count, bytes, queues } = all;
    const left = { count: count - found.count, bytes: bytes - found.bytes, queues: queues - 1 };
    if (left.queues === 0) this.#recipients.delete(found.recipient);
    else this.#recipients.set(found.recipient, left);
  }

  #whyNoQueue(ofRecipient: RecipientFill, { isKnown }: Origin): string | undefined {
    const part = isKnown ? 1 : this.#quota.strangerPart;
    const most = Math.ceil(this.#maxQueues * part);
    const mostOfOne = Math.ceil(most * sharePerRecipient);
    const before = isKnown ? '' : ', the rest is left to known senders';
    if (ofRecipient.queues >= mostOfOne) return `what ${mostOfOne} senders sent waits for it${before}`;
    if (this.#queues.size >= most) return `what waits is of ${most} senders to others${before}`;
    return undefined;
  }
}
