import type { Body, BodyInput, EnvelopeV1, Hex } from '../codec/index.ts';
import type { RelayError } from '../errors/index.ts';

export interface EcdhPublic {
  readonly epoch: number;
  /** 32 bytes. */
  readonly publicKey: Uint8Array;
  /** pending: made, not yet finalized on chain; current: preferred for sealing; retired: opens only. */
  readonly state: 'pending' | 'current' | 'retired';
  /** Unix time, ms. */
  readonly createdAt: number;
  /** Unix time, ms; of retired epochs. */
  readonly retiredAt?: number;
  /** Upper bound of the messages that were sealed with it, under any CommKey. */
  readonly seals: number;
}

/** What the vault signs with IdentityKey. It builds the signed bytes itself and signs nothing else. */
export type SignContent =
  | { readonly type: 'ecdh-record'; readonly genesisHash: Hex; readonly epoch: number }
  | { readonly type: 'envelope'; readonly genesisHash: Hex; readonly envelope: Uint8Array }
  | {
      readonly type: 'login';
      readonly genesisHash: Hex;
      readonly origin: string;
      readonly serverNonce: Uint8Array;
      readonly expiresAt: bigint;
    }
  | {
      readonly type: 'worker-message';
      readonly destination: Uint8Array;
      readonly payload: Uint8Array;
      readonly sequence: bigint;
    }
  | { readonly type: 'worker-endpoint'; readonly endpoints: readonly string[]; readonly signingTime: bigint };

export interface SealRequest {
  readonly genesisHash: Hex;
  /** Recipient's IdentityKey. */
  readonly to: Hex;
  /** Recipient's EcdhKey, 32 bytes. */
  readonly recipientKey: Uint8Array;
  /** The account that posts, where it and not the identity is the sender. */
  readonly account?: Hex;
  readonly nonce: bigint;
  /** Unix time, ms. */
  readonly sentAt: bigint;
  readonly body: BodyInput;
  /** Seals from a key made for this message alone (protocol.md §8). Default: from the current epoch's. */
  readonly freshKey?: FreshKey;
}

/** What becomes of a key that was made for one message. */
export interface FreshKey {
  /**
   * How long its secret is kept, in memory only, to open what the recipient sends back to it, ms, at most 7 days. 0:
   * overwritten at once.
   */
  readonly keepMs: number;
}

/** A body that waits to be sealed, and what its header will say. */
export type KeepRequest = Pick<SealRequest, 'genesisHash' | 'to' | 'account' | 'nonce' | 'body'>;

/** Sealing of a body that the vault kept, for the sender, recipient and nonce that it was kept for. */
export interface KeptSealRequest extends Omit<SealRequest, 'body'> {
  /** What {@link Vault.keep} gave. */
  readonly kept: Uint8Array;
}

/** Sealing to pRuntime and @phala/sdk (protocol.md §6): proves no sender and binds no topic, order or chain. */
export interface PhalaSealRequest {
  /** Recipient's EcdhKey, 32 bytes. */
  readonly recipientKey: Uint8Array;
  readonly content: Uint8Array;
}

export interface PhalaOpened {
  /** EcdhKey that the message claims, 32 bytes; nothing proves whose it is. */
  readonly senderKey: Uint8Array;
  readonly content: Uint8Array;
}

export interface Opened {
  readonly header: EnvelopeV1['header'];
  readonly body: Body;
}

export interface RotateRequest {
  /** Least epoch of a new key. Default: the next. */
  readonly atLeast?: number;
  /** Epoch that the new one shall take the place of. Default: whichever is current. */
  readonly replacing?: number;
}

export interface OpenAllRequest {
  readonly genesisHash: Hex;
  /** SCALE of V1 envelopes. */
  readonly envelopes: readonly Uint8Array[];
}

/**
 * The only way to an entity's secrets. Nothing here returns a secret or a shared secret; all of it can be served by
 * another process.
 */
export interface Vault extends AsyncDisposable {
  /** Public IdentityKey: the entity's id. */
  readonly identity: Hex;
  /** Of an agent: the folder for the entity's cursors and queues, where its user names none. */
  readonly dataPath?: string;
  /** Ascending by epoch. */
  ecdhKeys(): Promise<readonly EcdhPublic[]>;
  /** 64-byte sr25519 signature. Throws unknown-epoch for a record of an epoch that the vault does not have. */
  sign(content: SignContent): Promise<Uint8Array>;
  /**
   * SCALE of a V1 envelope from the current epoch's key, or from a fresh one. Throws bad-public-key, bad-shared-secret,
   * channel-exhausted, fresh-keys-full.
   */
  seal(request: SealRequest): Promise<Uint8Array>;
  /**
   * Seals a body for this vault alone, so that a queue holds no plaintext while it waits. Whoever has the result and may use
   * the vault can have it sealed to the one recipient that it was kept for, and never read it. Works as long as the
   * IdentityKey lives, whatever EcdhKeys come and go.
   */
  keep(request: KeepRequest): Promise<Uint8Array>;
  /** As {@link seal}, of a kept body. Throws kept-open-failed for another recipient, nonce, chain or vault. */
  sealKept(request: KeptSealRequest): Promise<Uint8Array>;
  /**
   * Opens a V1 envelope addressed to this entity. Throws not-for-us, epoch-erased, unknown-epoch, bad-public-key, open-failed;
   * where no key in memory is the one and the vault's file can not be read, what tells why.
   */
  open(request: { readonly genesisHash: Hex; readonly envelope: Uint8Array }): Promise<Opened>;
  /**
   * As {@link open} of each, in their order, for less work; in the place of one that does not open stands its error. The keys
   * in the headers, and the memory of what the bodies have, are shared among them: not to be written to or given away.
   */
  openAll(request: OpenAllRequest): Promise<(Opened | RelayError)[]>;
  /** Overwrites the secret of a fresh key before its time is over; what comes to it opens no more. Idempotent. */
  forgetFresh(publicKey: Uint8Array): Promise<void>;
  /** SCALE of EncryptedData from the current epoch's key. Throws bad-public-key, bad-shared-secret, channel-exhausted. */
  sealPhala(request: PhalaSealRequest): Promise<Uint8Array>;
  /**
   * Opens SCALE of EncryptedData, with the newest epoch that can: it does not say which key it was sealed to. Throws what
   * decoding throws, bad-public-key, open-failed; where no key in memory opens it, as {@link open}.
   */
  openPhala(encryptedData: Uint8Array): Promise<PhalaOpened>;
  /**
   * Makes the key of a new, pending epoch, or returns the pending one there is; durable when it resolves. Where `replacing` is
   * not the current epoch any more it changes nothing and returns the current one: of all who replace an epoch, one does.
   */
  rotate(request?: RotateRequest): Promise<EcdhPublic>;
  /** Makes a pending epoch the current one; the former current one is retired. Idempotent. */
  activate(epoch: number): Promise<void>;
  /**
   * Erases the secrets of the epochs that were retired at or before a time (Unix ms), durably and from the last good
   * copy too; what was sealed to them opens no more, and is answered with epoch-erased. Returns the epochs erased.
   */
  erase(request: { readonly retiredBefore: number }): Promise<readonly number[]>;
  /** Zeroes what can be zeroed. Idempotent. */
  close(): Promise<void>;
}
