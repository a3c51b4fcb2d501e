import { argon2id } from 'hash-wasm';
import { Reader, Writer } from '../codec/index.ts';
import { RelayError } from '../errors/index.ts';
import type { Sealer } from './sealer.ts';

/** Work factors of Argon2id (RFC 9106 §3.1). */
export interface Argon2Cost {
  /** KiB. Default 65536. */
  readonly memory: number;
  /** Passes. Default 3. */
  readonly passes: number;
  /** Lanes. Default 4. */
  readonly lanes: number;
}

// The second recommended option of RFC 9106 §4.
const defaultCost: Argon2Cost = { memory: 64 * 1024, passes: 3, lanes: 4 };
const greatestCost: Argon2Cost = { memory: 1024 * 1024, passes: 16, lanes: 16 };
const saltLength = 16;

export interface PassphraseSealerOptions {
  readonly cost?: Partial<Argon2Cost>;
  /** Default: the platform's. */
  readonly randomBytes?: (length: number) => Uint8Array;
}

/** Seals under a passphrase with Argon2id. Throws weak-passphrase; for a cost out of bounds, newParameters bad-value. */
export function passphraseSealer(passphrase: string, options: PassphraseSealerOptions = {}): Sealer {
  if (passphrase === '') throw new RelayError('weak-passphrase');
  const { randomBytes = (length: number) => crypto.getRandomValues(new Uint8Array(length)) } = options;
  return {
    kind: 0,
    newParameters() {
      const cost = { ...defaultCost, ...options.cost };
      const reason = outOfBounds(cost);
      if (reason !== undefined)
        throw new RelayError('bad-value', { details: { what: 'The cost of Argon2id', reason } });
      const { memory, passes, lanes } = cost;
      return new Writer().u32(memory).u32(passes).u32(lanes).raw(randomBytes(saltLength)).finish();
    },
    async deriveKey(parameters) {
      const { salt, memory, passes, lanes } = readParameters(parameters);
      return argon2id({
        password: passphrase.normalize('NFKC'),
        salt,
        memorySize: memory,
        iterations: passes,
        parallelism: lanes,
        hashLength: 32,
        outputType: 'binary',
      });
    },
  };
}

function readParameters(parameters: Uint8Array): Argon2Cost & { readonly salt: Uint8Array } {
  const reader = new Reader(parameters, 'The parameters of the vault');
  const cost = { memory: reader.u32(), passes: reader.u32(), lanes: reader.u32() };
  const salt = reader.fixed(saltLength);
  reader.end();
  const reason = outOfBounds(cost);
  if (reason !== undefined) throw new RelayError('vault-hostile-parameters', { details: { path: 'file', reason } });
  return { ...cost, salt };
}

/** What is wrong with a cost; undefined where nothing is. */
function outOfBounds(cost: Argon2Cost): string | undefined {
  for (const factor of ['memory', 'passes', 'lanes'] as const)
    if (!(cost[factor] >= 1 && cost[factor] <= greatestCost[factor]))
      return `${factor} ${cost[factor]} is not within 1 to ${greatestCost[factor]}`;
  // RFC 9106 §3.1
  return cost.memory < 8 * cost.lanes ? `memory ${cost.memory} is less than 8 times the lanes` : undefined;
}
