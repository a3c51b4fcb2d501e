import type { Hex } from '../codec/index.ts';
import { isRelayError, RelayError } from '../errors/index.ts';
import { decodeClientFrame, type ClientFrame } from './client-frames.ts';
import type { RelayLimits } from './limits.ts';
import type { Pipeline } from './pipeline.ts';
import type { RelayFrame } from './relay-frames.ts';
import { WsMailbox, type MailboxOwner, type WsMailboxParts } from './ws-mailbox.ts';
import { WsProof, type ProofFrame, type ProofParts } from './ws-proof.ts';
import { WsReceipts, type ReceiptsOwner, type WsReceiptsParts } from './ws-receipts.ts';
import { WsReplies, type RepliesOwner, type WsRepliesParts } from './ws-replies.ts';

export interface WsRequestsParts extends ProofParts, WsMailboxParts, WsReceiptsParts, WsRepliesParts {
  readonly pipeline: Pick<Pipeline, 'submit' | 'submitReply'>;
  readonly mailStore: WsMailboxParts['mailStore'];
  readonly limits: RelayLimits;
}

export type RequestsOwner = MailboxOwner & RepliesOwner & ReceiptsOwner;

/** What one connection asks for: each frame of its peer to the one that does it, and each request to its answer. */
export class WsRequests {
  readonly #parts: WsRequestsParts;
  readonly #owner: RequestsOwner;
  readonly #proof: WsProof;
  readonly #mailbox: WsMailbox;
  readonly #replies: WsReplies;
  #receipts: WsReceipts | undefined;
  #unanswered = 0;
  #usedAt: number;

  constructor(parts: WsRequestsParts, owner: RequestsOwner) {
    this.#parts = parts;
    this.#owner = owner;
    this.#usedAt = parts.login.clock();
    this.#proof = new WsProof(owner.address, parts);
    this.#mailbox = new WsMailbox(parts, this.#proof, owner);
    this.#replies = new WsReplies(parts, this.#proof, owner);
  }

  /** Of the peer. undefined: it has proven nothing. */
  get identity(): Hex | undefined {
    return this.#proof.identity;
  }

  get isAnswering(): boolean {
    return this.#unanswered > 0;
  }

  /** Nothing is read or waited for, nor was anything asked for in the last `idleMs`. */
  get isIdle(): boolean {
    const { login, limits } = this.#parts;
    const isWaiting = this.#mailbox.isOpen || this.#replies.isWaiting || this.#receipts?.isWaiting === true;
    return !isWaiting && login.clock() - this.#usedAt > limits.idleMs;
  }

  /** Throws what the connection ends with: bad-frame, window-exceeded, not-logged-in. */
  take(message: Uint8Array): void {
    const frame = decode(message);
    switch (frame.type) {
      case 'send':
        this.#answer(frame.id, () => this.#submit(frame.id, frame.signedEnvelope));
        return;
      case 'challenge-me':
        this.#answer(frame.id, () => Promise.resolve(this.#proof.challenge(frame.id)));
        return;
      case 'login':
        this.#answer(frame.id, () => this.#mailbox.login(frame));
        return;
      case 'prove':
        this.#answer(frame.id, () => this.#prove(frame));
        return;
      case 'post-reply':
        this.#answer(frame.id, () => this.#replies.post(frame));
        return;
      case 'await-reply':
        checkId(frame.id);
        this.#replies.await(frame);
        return;
      case 'reply-done':
        this.#replies.done(frame);
        return;
      case 'await-delivered':
        checkId(frame.id);
        this.#receipts ??= new WsReceipts(this.#parts, this.#owner);
        this.#receipts.await(frame);
        return;
      case 'forget':
        this.#receipts?.forget(frame.id);
        return;
      case 'credit':
        this.#mailbox.credit(frame.deliveries);
        return;
      case 'ack':
        this.#mailbox.ack(frame.upTo);
    }
  }

  /** There is room for more deliveries. */
  wake(): void {
    this.#mailbox.wake();
  }

  /** What is under way is answered still. */
  stop(): void {
    this.#mailbox.stop();
    this.#replies.stop();
    this.#receipts?.stop();
  }

  /** The connection is gone. */
  release(): void {
    this.stop();
    this.#mailbox.release();
  }

  #answer(id: number, work: () => Promise<RelayFrame>): void {
    const { window } = this.#parts.limits;
    checkId(id);
    if (this.#unanswered >= window) throw new RelayError('window-exceeded', { details: { window } });
    this.#unanswered += 1;
    this.#usedAt = this.#parts.login.clock();
    work().then(
      (frame) => {
        this.#unanswered -= 1;
        this.#owner.send(frame);
      },
      (error: unknown) => {
        this.#unanswered -= 1;
        this.#owner.refuse(id, error);
      },
    );
  }

  async #submit(id: number, signedEnvelope: Uint8Array): Promise<RelayFrame> {
    const { address } = this.#owner;
    // A copy: a view would keep all that was read from the socket with it for as long as it waits.
    const receipt = await this.#parts.pipeline.submit(Buffer.from(signedEnvelope), { address, isPaid: true });
    return { type: 'receipt', id, ...receipt };
  }

  async #prove(frame: ProofFrame): Promise<RelayFrame> {
    const answer = await this.#proof.prove(frame);
    if (this.#owner.isEnding) throw new RelayError('relay-stopping');
    return answer;
  }
}

function decode(data: Uint8Array): ClientFrame {
  try {
    return decodeClientFrame(data);
  } catch (error) {
    throw isRelayError(error) ? badFrame(error.message) : error;
  }
}

function checkId(id: number): void {
  if (id === 0) throw badFrame('0 is not a request id');
}

export function badFrame(reason: string): RelayError {
  return new RelayError('bad-frame', { details: { reason } });
}
