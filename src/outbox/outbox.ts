import type { Observable } from 'rxjs';
import type { BlockNumber } from '../chain/index.ts';
import type { BodyInput, Hex } from '../codec/index.ts';
import type { RelayError } from '../errors/index.ts';

/** The block that carries a message. */
export interface Posted {
  readonly blockHash: Hex;
  readonly blockNumber: BlockNumber;
}

/** Where a queued message stands. */
export type SendStatus =
  | { readonly state: 'queued' | 'submitted' }
  | (Posted & { readonly state: 'inBlock' | 'finalized' })
  | { readonly state: 'failed'; readonly error: RelayError };

export interface Receipt {
  /** Local number of the message, kept over restarts. */
  readonly sendId: bigint;
  readonly messageId: Hex;
  readonly nonce: bigint;
  /** From the present status on; completes with finalized or failed. */
  readonly status$: Observable<SendStatus>;
  /** Resolves once the message is in a block or finalized. Throws what the message failed with. */
  reached(state: 'inBlock' | 'finalized', signal?: AbortSignal): Promise<SendStatus & Posted>;
}

export interface SendOnChain {
  readonly to: Hex;
  readonly body: BodyInput;
  /** worker (default): the vault's identity is the sender, the account only pays. account: the account is the sender. */
  readonly as?: 'worker' | 'account';
  /** Of a message tried on another path before. Default: the next of the channel. */
  readonly nonce?: bigint;
}

/** Durable queue of messages on their way to the chain. */
export interface Outbox extends AsyncDisposable {
  /** Resolves when the message is sealed and stored. Throws unknown-recipient, unproven-key, too-large-for-chain. */
  send(message: SendOnChain): Promise<Receipt>;
  start(): Promise<void>;
  /** What is queued stays queued. Idempotent. */
  stop(): Promise<void>;
}
