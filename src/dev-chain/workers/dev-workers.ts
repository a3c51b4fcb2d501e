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

  constructor(keys: Uint8Array) {
    this.#keys = keys;
  }

  get length(): number {
    return this.#keys.length / keyPairBytes;
  }

  at(index: number): DevWorker | undefined {
    const worker = this.publicAt(index);
    return worker === undefined ? undefined : withSeeds(worker);
  }

  /** Without the seeds, which take a while to make. */
  publicAt(index: number): PublicDevWorker | undefined {
    if (!Number.isInteger(index) || index < 0 || index >= this.length) return undefined;
    return publicWorker(this.#keys.subarray(index * keyPairBytes, (index + 1) * keyPairBytes), index);
  }

  *[Symbol.iterator](): Iterator<DevWorker> {
    for (let index = 0; index < this.length; index += 1) {
      const worker = this.at(index);
      if (worker !== undefined) yield worker;
    }
  }
}

/** `keys`: both public keys, the identity's first. */
export function publicWorker(keys: Uint8Array, index: number): PublicDevWorker {
  return {
    index,
    identity: bytesToHex(keys.subarray(0, 32)),
    ecdh: bytesToHex(keys.subarray(32)),
    endpoints: [workerEndpoint(index)],
  };
}

export function withSeeds(worker: PublicDevWorker): DevWorker {
  const { index } = worker;
  return { ...worker, identitySeed: workerSeed('identity', index), ecdhSeed: workerSeed('ecdh', index) };
}

/** Where `khala-relay serve` listens by default, with a path that tells the workers apart. */
function workerEndpoint(index: number): string {
  return `http://127.0.0.1:8710/dev/${index}`;
}
