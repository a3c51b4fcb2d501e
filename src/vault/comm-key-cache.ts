import { agree, deriveCommKey, type KeyPair } from '../crypto/core.ts';
import { RelayError } from '../errors/index.ts';

export interface CommKeyCacheOptions {
  /** Keys that are kept; the one not used for the longest goes first. Default 10 000. */
  readonly capacity?: number;
  /** Default 2^32, the random-IV limit of GCM for one key (protocol.md §5; NIST SP 800-38D §8.3). */
  readonly sealsPerKey?: number;
}

/** CommKeys by direction, so that agreement and derivation cost once per peer's key and not per message. */
export class CommKeyCache {
  readonly #capacity: number;
  readonly #sealsPerKey: number;
  /** In the order of their use. */
  readonly #commKeys = new Map<string, Uint8Array>();
  /** Outlives the cached key: a count must not be forgotten. */
  readonly #seals = new Map<string, number>();

  constructor({ capacity = 10_000, sealsPerKey = 2 ** 32 }: CommKeyCacheOptions = {}) {
    this.#capacity = capacity;
    this.#sealsPerKey = sealsPerKey;
  }

  get size(): number {
    return this.#commKeys.size;
  }

  /** Counts the use. The key is valid until the next call. Throws channel-exhausted, and what agree throws. */
  forSealing(own: KeyPair, recipientKey: Uint8Array): Uint8Array {
    const name = nameOf(own.publicKey, recipientKey);
    const seals = this.#seals.get(name) ?? 0;
    if (seals >= this.#sealsPerKey) throw new RelayError('channel-exhausted');
    const commKey = this.#of(own, recipientKey, own.publicKey, recipientKey);
    this.#seals.set(name, seals + 1);
    return commKey;
  }

  /** The key is valid until the next call. Throws what agree throws. */
  forOpening(own: KeyPair, senderKey: Uint8Array): Uint8Array {
    return this.#of(own, senderKey, senderKey, own.publicKey);
  }

  clear(): void {
    for (const commKey of this.#commKeys.values()) commKey.fill(0);
    this.#commKeys.clear();
    this.#seals.clear();
  }

  #of(own: KeyPair, peerKey: Uint8Array, senderKey: Uint8Array, recipientKey: Uint8Array): Uint8Array {
    const name = nameOf(senderKey, recipientKey);
    const found = this.#commKeys.get(name);
    const commKey = found ?? derive(own, peerKey, senderKey, recipientKey);
    if (found !== undefined) this.#commKeys.delete(name);
    else if (this.#commKeys.size >= this.#capacity) this.#evict();
    this.#commKeys.set(name, commKey);
    return commKey;
  }

  #evict(): void {
    for (const [name, commKey] of this.#commKeys) {
      commKey.fill(0);
      this.#commKeys.delete(name);
      return;
    }
  }
}

function derive(own: KeyPair, peerKey: Uint8Array, senderKey: Uint8Array, recipientKey: Uint8Array): Uint8Array {
  const z = agree(own.secretKey, peerKey);
  const commKey = deriveCommKey({ z, senderKey, recipientKey });
  z.fill(0);
  return commKey;
}

function nameOf(senderKey: Uint8Array, recipientKey: Uint8Array): string {
  return String.fromCharCode(...senderKey, ...recipientKey);
}
