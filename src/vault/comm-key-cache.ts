import { agree, deriveCommKey, type KeyPair } from '../crypto/core.ts';
import { RelayError } from '../errors/index.ts';

const capacity = 10_000;
// Random-IV limit of GCM for one key (protocol.md §5; NIST SP 800-38D §8.3).
const sealsPerKey = 2 ** 32;

interface Cached {
  readonly commKey: Uint8Array;
  seals: number;
}

/** CommKeys by direction, so that agreement and derivation cost once per peer's key and not per message. */
export class CommKeyCache {
  readonly #cached = new Map<string, Cached>();

  /** Counts the use. Throws channel-exhausted, and what agree throws. */
  forSealing(own: KeyPair, recipientKey: Uint8Array): Uint8Array {
    const cached = this.#of(own, recipientKey, own.publicKey, recipientKey);
    if (cached.seals >= sealsPerKey) throw new RelayError('channel-exhausted');
    cached.seals++;
    return cached.commKey;
  }

  forOpening(own: KeyPair, senderKey: Uint8Array): Uint8Array {
    return this.#of(own, senderKey, senderKey, own.publicKey).commKey;
  }

  clear(): void {
    for (const { commKey } of this.#cached.values()) commKey.fill(0);
    this.#cached.clear();
  }

  #of(own: KeyPair, peerKey: Uint8Array, senderKey: Uint8Array, recipientKey: Uint8Array): Cached {
    const name = `${latin1(senderKey)}${latin1(recipientKey)}`;
    const found = this.#cached.get(name);
    if (found !== undefined) return found;
    const z = agree(own.secretKey, peerKey);
    const cached = { commKey: deriveCommKey({ z, senderKey, recipientKey }), seals: 0 };
    z.fill(0);
    this.#evict();
    this.#cached.set(name, cached);
    return cached;
  }

  #evict(): void {
    if (this.#cached.size < capacity) return;
    for (const [name, { commKey, seals }] of this.#cached) {
      if (seals > 0) continue; // its count must not be forgotten
      commKey.fill(0);
      this.#cached.delete(name);
      return;
    }
  }
}

function latin1(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}
