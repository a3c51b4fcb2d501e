import type { Hex } from '../codec/index.ts';
import { RelayError } from '../errors/index.ts';
import type { Mail, MailStore } from '../store/mail-store.ts';

export interface DeliveryOptions {
  readonly identity: Hex;
  readonly mailStore: Pick<MailStore, 'read' | 'ack' | 'subscribe'>;
  /** Most deliveries asked for ahead. */
  readonly maxCredit: number;
  /** Oldest first; at least one. */
  readonly deliver: (page: readonly Mail[]) => void;
  /** Resolves when acknowledgements up to here are durable. */
  readonly acknowledged: (upTo: bigint) => void;
  /** Whether the connection has room. */
  readonly hasRoom: () => boolean;
  readonly failed: (error: unknown) => void;
}

const pageCount = 64;

/** Last stage: one recipient's mailbox to its connection, in order, as far as it asked for, again after each connection. */
export class Delivery {
  readonly #options: DeliveryOptions;
  readonly #leave: () => void;
  #credit = 0;
  #sent = 0n;
  #acked = 0n;
  #ackTarget = 0n;
  #pumping = false;
  #again = false;
  #acking = false;
  #stopped = false;

  constructor(options: DeliveryOptions) {
    this.#options = options;
    this.#leave = options.mailStore.subscribe(options.identity, () => {
      this.wake();
    });
  }

  /** Lets so many more deliveries through. */
  addCredit(deliveries: number): void {
    const hadNone = this.#credit === 0;
    this.#credit = Math.min(this.#options.maxCredit, this.#credit + deliveries);
    // With some left nothing waits for more.
    if (hadNone) this.wake();
  }

  /** Throws bad-frame for what this connection was not given. */
  ack(upTo: bigint): void {
    if (upTo > this.#sent)
      throw new RelayError('bad-frame', { details: { reason: `cursor ${upTo} was not delivered here` } });
    if (upTo <= this.#ackTarget) return;
    this.#ackTarget = upTo;
    if (!this.#acking) void this.#acknowledge();
  }

  /** There may be something to deliver: mail, credit or room. */
  wake(): void {
    if (this.#pumping) this.#again = true;
    else void this.#pump();
  }

  stop(): void {
    this.#stopped = true;
    this.#leave();
  }

  async #pump(): Promise<void> {
    this.#pumping = true;
    try {
      // A wake during a page may come after the read that missed its mail.
      for (let more = true; more;) {
        this.#again = false;
        more = (await this.#deliverPage()) || this.#wokenAgain();
      }
    } catch (error) {
      this.#options.failed(error);
    } finally {
      this.#pumping = false;
    }
  }

  #wokenAgain(): boolean {
    return this.#again;
  }

  /** Whether there may be more to deliver now. */
  async #deliverPage(): Promise<boolean> {
    const { mailStore, identity, deliver, hasRoom } = this.#options;
    if (!this.#mayDeliver() || !hasRoom()) return false;
    const asked = Math.min(this.#credit, pageCount);
    const page = await mailStore.read(identity, this.#sent, { count: asked, early: true });
    const newest = page.at(-1);
    if (newest === undefined || this.#stopped) return false;
    this.#credit -= page.length;
    this.#sent = newest.cursor;
    deliver(page);
    return true;
  }

  #mayDeliver(): boolean {
    return !this.#stopped && this.#credit > 0;
  }

  // Acknowledgements that arrive during a write share the next one.
  async #acknowledge(): Promise<void> {
    this.#acking = true;
    try {
      while (this.#acked < this.#ackTarget) {
        const target = this.#ackTarget;
        await this.#options.mailStore.ack(this.#options.identity, target);
        this.#acked = target;
        this.#options.acknowledged(target);
      }
    } catch (error) {
      this.#options.failed(error);
    } finally {
      this.#acking = false;
    }
  }
}
