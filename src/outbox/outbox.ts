import type { Observable } from 'rxjs';
import type { BlockNumber } from '../chain/index.ts';
import type { BodyInput, Hex } from '../codec/index.ts';
import type { RelayError } from '../errors/index.ts';
import type { Carried } from './off-chain-carrier.ts';

/** The block that carries a message. */
export interface Posted {
  readonly blockHash: Hex;
  readonly blockNumber: BlockNumber;
}

/** Where a queued message stands. */
export type SendStatus =
  | { readonly state: 'queued' | 'submitted' }
  | (Posted & { readonly state: 'inBlock' | 'finalized' })
  /** Off chain: durable at a relay or at the recipient. */
  | (Carried & { readonly state: 'relayed' })
  | { readonly state: 'failed'; readonly error: RelayError };

/** A status of a message that is on its way for good. */
export type Arrival = Extract<SendStatus, { readonly state: 'inBlock' | 'finalized' | 'relayed' }>;

export interface Receipt<A extends Arrival = Arrival> {
  /** Local number of the message, kept over restarts. */
  readonly sendId: bigint;
  readonly messageId: Hex;
  readonly nonce: bigint;
  /** From the present status on; completes with relayed, finalized or failed. */
  readonly status$: Observable<SendStatus>;
  /** Resolves once the message is in a block or finalized; off chain, once relayed. Throws what the message failed with. */
  reached(state: 'inBlock' | 'finalized', signal?: AbortSignal): Promise<A>;
}

export interface SendMessage {
  readonly to: Hex;
  readonly body: BodyInput;
  /** worker (default): the vault's identity is the sender, an account only pays. account: the account is the sender. */
  readonly as?: 'worker' | 'account';
  /**
   * relay: off chain only. chain: on chain only. auto (default): off chain where the carrier reaches the recipient, else
   * on chain where the outbox has an account that pays, else it waits for either.
   */
  readonly via?: 'chain' | 'relay' | 'auto';
  /** Of a message tried on another path before. Default: the next of the channel. */
  readonly nonce?: bigint;
}

/** Durable queue of messages on their way. */
export interface Outbox extends AsyncDisposable {
  /**
   * Resolves when the message is sealed and stored. Throws unknown-recipient, unproven-key, too-large-for-chain,
   * no-account, off-chain-only-v1.
   */
  send(message: SendMessage & { readonly via: 'chain' }): Promise<Receipt<Arrival & Posted>>;
  send(message: SendMessage): Promise<Receipt>;
  start(): Promise<void>;
  /** What is queued stays queued. Idempotent. */
  stop(): Promise<void>;
}
