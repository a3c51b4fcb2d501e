import type { MailStore } from '../store/mail-store.ts';
import { AwaitedReplies } from './awaited-replies.ts';
import type { ClientFrame } from './client-frames.ts';
import type { FrameSink } from './frame-sink.ts';
import type { RelayLimits } from './limits.ts';
import type { Pipeline } from './pipeline.ts';
import type { RelayFrame } from './relay-frames.ts';
import { ReplyAcks } from './reply-acks.ts';
import { replyBox } from './reply-box.ts';
import type { WaitPlaces } from './wait-places.ts';
import type { WsProof } from './ws-proof.ts';

type Frame<T extends ClientFrame['type']> = Extract<ClientFrame, { type: T }>;

export interface WsRepliesParts {
  readonly pipeline: Pick<Pipeline, 'submitReply'>;
  readonly mailStore: MailStore;
  readonly limits: RelayLimits;
  /** Of replies that are waited for, one each. */
  readonly awaited: WaitPlaces;
}

/** Whose connection it is. */
export interface RepliesOwner extends FrameSink {
  /** Peer's IP address. */
  readonly address: string;
  /** Its key. */
  readonly key: string;
  /** The peer asks faster than is done for it: nothing more is to be read from it, or again. */
  hold(isHeld: boolean): void;
}

/** What one connection does with reply boxes: leaves answers there, waits for those to its own keys, and is done with them. */
export class WsReplies {
  readonly #parts: WsRepliesParts;
  readonly #proof: Pick<WsProof, 'proven'>;
  readonly #owner: RepliesOwner;
  #awaited: AwaitedReplies | undefined;
  #acks: ReplyAcks | undefined;

  constructor(parts: WsRepliesParts, proof: Pick<WsProof, 'proven'>, owner: RepliesOwner) {
    this.#parts = parts;
    this.#proof = proof;
    this.#owner = owner;
  }

  get isWaiting(): boolean {
    return (this.#awaited?.size ?? 0) > 0;
  }

  /** Throws a RelayError for an answer that is not taken. */
  async post({ id, signedEnvelope }: Frame<'post-reply'>): Promise<RelayFrame> {
    const from = this.#proof.proven();
    const { address } = this.#owner;
    // A copy: a view would keep all that was read from the socket with it for as long as it waits.
    const receipt = await this.#parts.pipeline.submitReply(Buffer.from(signedEnvelope), { address, from });
    return { type: 'receipt', id, ...receipt };
  }

  /** Outside of the window: it may stay unanswered for long, and has a bound of its own. */
  await({ id, senderKey, after }: Frame<'await-reply'>): void {
    const { mailStore, limits, awaited } = this.#parts;
    const owner = this.#owner;
    this.#awaited ??= new AwaitedReplies({
      mailStore,
      limit: limits.maxAwaitedReplies,
      places: awaited,
      key: owner.key,
      sink: owner,
    });
    try {
      const identity = this.#proof.proven();
      this.#awaited.await(id, replyBox(identity, senderKey), after);
    } catch (error) {
      owner.refuse(id, error);
    }
  }

  /** Throws not-logged-in. */
  done({ senderKey, upTo }: Frame<'reply-done'>): void {
    const { mailStore, limits } = this.#parts;
    const owner = this.#owner;
    const box = replyBox(this.#proof.proven(), senderKey);
    this.#awaited?.end(box);
    this.#acks ??= new ReplyAcks({
      mailStore,
      limit: limits.window,
      hold: (isFull) => {
        owner.hold(isFull);
      },
      failed: (error) => {
        owner.fail(error);
      },
    });
    if (upTo > 0n) this.#acks.add(box, upTo);
  }

  stop(): void {
    this.#awaited?.stop();
    this.#acks?.stop();
  }
}
