import { RelayError } from '../errors/index.ts';
import type { ClientFrame } from './client-frames.ts';
import type { DeliveryWatch } from './delivery-watch.ts';
import type { FrameSink } from './frame-sink.ts';
import type { RelayLimits } from './limits.ts';

export interface WsReceiptsParts {
  readonly deliveries: DeliveryWatch;
  readonly limits: Pick<RelayLimits, 'maxAwaitedReplies'>;
}

/** Whose connection it is. */
export interface ReceiptsOwner extends FrameSink {
  /** Key of the peer's address. */
  readonly key: string;
}

/** The messages whose delivery one connection waits for. */
export class WsReceipts {
  readonly #parts: WsReceiptsParts;
  readonly #owner: ReceiptsOwner;
  readonly #waiting = new Map<number, () => void>();

  constructor(parts: WsReceiptsParts, owner: ReceiptsOwner) {
    this.#parts = parts;
    this.#owner = owner;
  }

  get isWaiting(): boolean {
    return this.#waiting.size > 0;
  }

  /** Outside of the window: it may stay unanswered for long, and has a bound of its own. */
  await({ id, ...message }: Extract<ClientFrame, { type: 'await-delivered' }>): void {
    const { deliveries, limits } = this.#parts;
    const owner = this.#owner;
    const { messageId } = message;
    this.forget(id);
    try {
      if (this.#waiting.size >= limits.maxAwaitedReplies)
        throw new RelayError('relay-busy', { details: { what: 'awaited deliveries' } });
      const leave = deliveries.watch(message, {
        key: owner.key,
        delivered: () => {
          this.forget(id);
          owner.send({ type: 'receipt', id, status: 'delivered', messageId });
        },
        failed: (error) => {
          this.forget(id);
          owner.refuse(id, error);
        },
      });
      this.#waiting.set(id, leave);
    } catch (error) {
      owner.refuse(id, error);
    }
  }

  forget(id: number): void {
    this.#waiting.get(id)?.();
    this.#waiting.delete(id);
  }

  stop(): void {
    for (const leave of this.#waiting.values()) leave();
    this.#waiting.clear();
  }
}
