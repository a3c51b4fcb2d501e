import type { Hex } from '../../codec/hex.ts';
import { bytesToHex } from '../hex.ts';
import { workerSeed } from './worker-seed.ts';

/** What the chain knows of a worker. */
export interface PublicDevWorker {
  readonly index: number;
  /** sr25519 public key: the worker's id. */
  readonly identity: Hex;
  /** sr25519 public key of epoch 0. */
  readonly ecdh: Hex;
  readonly endpoints: readonly string[];
}

/** A registered worker of a dev chain, with what it takes to act as it. */
export interface DevWorker extends PublicDevWorker {
  readonly identitySeed: Uint8Array;
  readonly ecdhSeed: Uint8Array;
}

/** Both public keys of one worker. */
export const keyPairBytes = 64;

/** The workers of a chain, made into objects only as they are asked for: there may be very many. */
export class DevWorkers implements Iterable<DevWorker> {
  /** Identity and ECDH public keys, one worker after the other. */
  readonly #keys: Uint8Array;
  readonly #first: number;

  /** `first`: the index of the worker whose keys come first. */
  constructor(keys: Uint8Array, first = 0) {
    this.#keys = keys;
    this.#first = first;
  }

  get length(): number {
    return this.#keys.length / keyPairBytes;
  }

  at(index: number): DevWorker | undefined {
    const worker = this.publicAt(index);
    if (worker === undefined) return undefined;
    return { ...worker, identitySeed: workerSeed('identity', index), ecdhSeed: workerSeed('ecdh', index) };
  }

  /** Without the seeds, which take a while to make. */
  publicAt(index: number): PublicDevWorker | undefined {
    const position = index - this.#first;
    if (!Number.isInteger(index) || position < 0 || position >= this.length) return undefined;
    const keys = this.#keys.subarray(position * keyPairBytes, (position + 1) * keyPairBytes);
    return {
      index,
      identity: bytesToHex(keys.subarray(0, 32)),
      ecdh: bytesToHex(keys.subarray(32)),
      endpoints: [workerEndpoint(index)],
    };
  }

  *[Symbol.iterator](): Iterator<DevWorker> {
    for (let index = this.#first; index < this.#first + this.length; index += 1) {
      const worker = this.at(index);
      if (worker !== undefined) yield worker;
    }
  }
}

/** Where `khala-relay serve` listens by default, with a path that tells the workers apart. */
export function workerEndpoint(index: number): string {
  return `http://127.0.0.1:8710/dev/${index}`;
}
