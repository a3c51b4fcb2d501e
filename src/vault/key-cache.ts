import { agree, deriveCommKey, type KeyPair } from '../crypto/core.ts';

/** Of the three kinds of keys that two EcdhKeys make. */
type Use = 'seal' | 'open' | 'phala';

/** What agreement and derivation give, so that they cost once per peer's key and not per message. */
export class KeyCache<Key extends { clear(): void }> {
  readonly #make: (key: Uint8Array) => Key;
  readonly #capacity: number;
  /** In the order of their use. */
  readonly #keys = new Map<string, Key>();
  #generation = 0;

  /**
   * `make`: of 32 bytes that it takes over. `capacity`: keys that are kept; the one not used for the longest goes first.
   * Default 10 000.
   */
  constructor(make: (key: Uint8Array) => Key, { capacity = 10_000 }: { readonly capacity?: number } = {}) {
    this.#make = make;
    this.#capacity = capacity;
  }

  /** Grows when keys are put away: one that was given before may be no longer valid then. */
  get generation(): number {
    return this.#generation;
  }

  get size(): number {
    return this.#keys.size;
  }

  /** CommKey to the recipient. The key is valid until the next call. Throws what agree throws. */
  forSealing(own: KeyPair, recipientKey: Uint8Array): Key {
    return this.#of('seal', own, recipientKey);
  }

  /** CommKey from the sender. The key is valid while `generation` stays. Throws what agree throws. */
  forOpening(own: KeyPair, senderKey: Uint8Array): Key {
    return this.#of('open', own, senderKey);
  }

  /** Z itself, which the phala suite uses as its key both ways. Valid until the next call. Throws what agree throws. */
  forPhala(own: KeyPair, peerKey: Uint8Array): Key {
    return this.#of('phala', own, peerKey);
  }

  /** Overwrites the keys of one's own key that is erased, or of all. */
  clear(own?: Uint8Array): void {
    const begin = own === undefined ? '' : textOf(own);
    this.#generation += 1;
    for (const [name, key] of this.#keys) {
      if (!name.startsWith(begin)) continue;
      key.clear();
      this.#keys.delete(name);
    }
  }

  #of(use: Use, own: KeyPair, peerKey: Uint8Array): Key {
    const name = textOf(own.publicKey) + textOf(peerKey) + use;
    const found = this.#keys.get(name);
    const key = found ?? this.#make(deriveKey(use, own, peerKey));
    if (found !== undefined) this.#keys.delete(name);
    else if (this.#keys.size >= this.#capacity) this.#evict();
    this.#keys.set(name, key);
    return key;
  }

  #evict(): void {
    this.#generation += 1;
    for (const [name, key] of this.#keys) {
      key.clear();
      this.#keys.delete(name);
      return;
    }
  }
}

/** The key that two EcdhKeys make for one use. Throws what agree throws. */
export function deriveKey(use: Use, own: KeyPair, peerKey: Uint8Array): Uint8Array {
  const z = agree(own.secretKey, peerKey);
  if (use === 'phala') return z;
  const [senderKey, recipientKey] = use === 'seal' ? [own.publicKey, peerKey] : [peerKey, own.publicKey];
  const commKey = deriveCommKey({ z, senderKey, recipientKey });
  z.fill(0);
  return commKey;
}

const { Buffer: NodeBuffer } = globalThis as { readonly Buffer?: typeof Buffer };

function textOf(publicKey: Uint8Array): string {
  const { buffer, byteOffset, length } = publicKey;
  if (NodeBuffer !== undefined) return NodeBuffer.from(buffer, byteOffset, length).toString('latin1');
  return String.fromCharCode(...publicKey);
}
