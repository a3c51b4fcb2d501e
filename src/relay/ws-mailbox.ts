import type { Hex } from '../codec/index.ts';
import { RelayError } from '../errors/index.ts';
import type { Mail, MailStore } from '../store/mail-store.ts';
import { Delivery } from './deliver.ts';
import type { FrameSink } from './frame-sink.ts';
import type { RelayLimits } from './limits.ts';
import type { Metrics } from './metrics.ts';
import type { RelayFrame } from './relay-frames.ts';
import { loginRefused, type ProofFrame, type WsProof } from './ws-proof.ts';

export interface WsMailboxParts {
  readonly mailStore: MailStore;
  readonly limits: Pick<RelayLimits, 'maxCredit'>;
  readonly metrics: Metrics;
}

/** Whose connection it is. */
export interface MailboxOwner extends FrameSink {
  /** It takes nothing new. */
  readonly isEnding: boolean;
  /** For deliveries. */
  readonly hasRoom: boolean;
  deliver(page: readonly Mail[]): void;
  /** The peer reads a mailbox from now on. */
  mailboxOpened(): void;
}

/** The mailbox that one connection reads, once its peer has logged in. */
export class WsMailbox {
  readonly #parts: WsMailboxParts;
  readonly #proof: Pick<WsProof, 'prove'>;
  readonly #owner: MailboxOwner;
  #delivery: Delivery | undefined;
  #leave: (() => void) | undefined;
  #isLoggingIn = false;

  constructor(parts: WsMailboxParts, proof: Pick<WsProof, 'prove'>, owner: MailboxOwner) {
    this.#parts = parts;
    this.#proof = proof;
    this.#owner = owner;
  }

  get isOpen(): boolean {
    return this.#delivery !== undefined;
  }

  /** Says who the peer is and opens its mailbox. Throws login-refused, challenge-expired, mail-store-failed, relay-stopping. */
  async login(frame: ProofFrame): Promise<RelayFrame> {
    const { identity } = frame;
    if (this.isOpen) throw loginRefused(identity, 'this connection has logged in before');
    if (this.#isLoggingIn) throw loginRefused(identity, 'a login on this connection is under way');
    this.#isLoggingIn = true;
    try {
      return await this.#enter(frame);
    } finally {
      this.#isLoggingIn = false;
    }
  }

  /** Throws not-logged-in. */
  credit(deliveries: number): void {
    this.#opened().addCredit(deliveries);
  }

  /** Throws not-logged-in, and bad-frame for what was not given here. */
  ack(upTo: bigint): void {
    this.#opened().ack(upTo);
  }

  /** There is room for more. */
  wake(): void {
    this.#delivery?.wake();
  }

  stop(): void {
    this.#delivery?.stop();
  }

  /** The connection is gone. */
  release(): void {
    this.stop();
    this.#leave?.();
  }

  async #enter(frame: ProofFrame): Promise<RelayFrame> {
    const { identity } = frame;
    const owner = this.#owner;
    const answer = await this.#proof.prove(frame);
    if (this.#isOver()) throw new RelayError('relay-stopping');
    // The newest wins, at whichever relay of the store: the older one may be half open, and its recipient comes again.
    const leave = await this.#parts.mailStore.claim(identity, () => {
      owner.fail(new RelayError('session-replaced', { details: { identity } }));
    });
    if (this.#isOver()) {
      leave();
      throw new RelayError('relay-stopping');
    }
    this.#leave = leave;
    this.#delivery = this.#open(identity);
    owner.mailboxOpened();
    return answer;
  }

  #isOver(): boolean {
    return this.#owner.isEnding;
  }

  #open(identity: Hex): Delivery {
    const { mailStore, limits, metrics } = this.#parts;
    const owner = this.#owner;
    return new Delivery({
      identity,
      mailStore,
      maxCredit: limits.maxCredit,
      deliver: (page) => {
        metrics.count('deliveries_total', undefined, page.length);
        owner.deliver(page);
      },
      acknowledged: (upTo) => {
        metrics.count('acknowledged_total');
        owner.send({ type: 'acked', upTo });
      },
      hasRoom: () => owner.hasRoom,
      failed: (error) => {
        owner.fail(error);
      },
    });
  }

  #opened(): Delivery {
    if (this.#delivery === undefined) throw new RelayError('not-logged-in');
    return this.#delivery;
  }
}
