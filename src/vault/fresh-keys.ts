import { toHex, type Hex } from '../codec/index.ts';
import { keyPairFromSeed, type KeyPair } from '../crypto/core.ts';
import { RelayError } from '../errors/index.ts';

/** Keys that wait for a reply at once: past that a caller has forgotten to give a time. */
const capacity = 10_000;
const longestMs = 7 * 86_400_000;

interface Kept {
  readonly keyPair: KeyPair;
  /** Whose reply it opens. */
  readonly peer: Hex;
  /** Unix time, ms. */
  readonly until: number;
  readonly timer: ReturnType<typeof setTimeout>;
}

/**
 * EcdhKeys made for one message each (protocol.md §8), in memory only: whoever steals the vault later finds nothing of
 * them. One that waits for a reply is overwritten when its time is over.
 */
export class FreshKeys {
  readonly #kept = new Map<string, Kept>();
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  get size(): number {
    return this.#kept.size;
  }

  /**
   * Runs `seal` with a new key, which is overwritten afterwards unless it waits `keepMs` for the reply of `peer`. Throws
   * fresh-keys-full, bad-value, and what `seal` throws; then nothing is kept.
   */
  async use<T>(peer: Hex, keepMs: number, seal: (own: KeyPair) => Promise<T>): Promise<T> {
    if (!(keepMs >= 0 && keepMs <= longestMs))
      throw new RelayError('bad-value', {
        details: { what: 'The time to keep a fresh key', reason: `it is not between 0 and ${longestMs} ms` },
      });
    if (keepMs > 0 && this.#kept.size >= capacity)
      throw new RelayError('fresh-keys-full', { details: { count: capacity } });
    const keyPair = newKeyPair();
    if (keepMs > 0) this.#keep(keyPair, peer, keepMs);
    try {
      return await seal(keyPair);
    } catch (error) {
      this.forget(keyPair.publicKey);
      throw error;
    } finally {
      if (!this.#kept.has(nameOf(keyPair.publicKey))) keyPair.secretKey.fill(0);
    }
  }

  /** The key of this public key, where it is kept for what `from` sends. */
  find(publicKey: Uint8Array, from: Hex): KeyPair | undefined {
    const kept = this.#kept.get(nameOf(publicKey));
    return kept?.peer === from && this.#now() < kept.until ? kept.keyPair : undefined;
  }

  forget(publicKey: Uint8Array): void {
    const name = nameOf(publicKey);
    const kept = this.#kept.get(name);
    if (kept === undefined) return;
    clearTimeout(kept.timer);
    kept.keyPair.secretKey.fill(0);
    this.#kept.delete(name);
  }

  clear(): void {
    for (const { keyPair } of [...this.#kept.values()]) this.forget(keyPair.publicKey);
  }

  #keep(keyPair: KeyPair, peer: Hex, keepMs: number): void {
    const timer = setTimeout(() => {
      this.forget(keyPair.publicKey);
    }, keepMs);
    // A key alone keeps no process alive; a browser's timer is a number.
    if (typeof timer === 'object') timer.unref();
    this.#kept.set(nameOf(keyPair.publicKey), {
      keyPair,
      peer: peer.toLowerCase() as Hex,
      until: this.#now() + keepMs,
      timer,
    });
  }
}

function newKeyPair(): KeyPair {
  const seed = crypto.getRandomValues(new Uint8Array(32));
  const pair = keyPairFromSeed(seed);
  seed.fill(0);
  return pair;
}

function nameOf(publicKey: Uint8Array): string {
  return toHex(publicKey);
}
