import type { StorageDiff } from '../executor/protocol.ts';
import { isHex } from '../hex.ts';
import type { Methods } from './method.ts';
import { rpcErrors } from './rpc-error.ts';
import { storageEntries } from './storage-entries.ts';

/** The names and forms are those of chopsticks, so that its users and tools feel at home. */
const devMethods: Methods = {
  /** `{ count?, to? }`. Gives the hash of the last block. */
  dev_newBlock: async (node, params) => {
    const options = recordOf(params.raw(0) ?? {});
    const to = options['to'] === undefined ? undefined : numberOf(options['to'], 'to');
    const count = to === undefined ? numberOf(options['count'] ?? 1, 'count') : to - node.blocks.head.number;
    return (await node.newBlock({ count: Math.max(1, count) })).hash;
  },
  /** A hash, a number, or a negative number: so many blocks back. Gives the hash of the head. */
  dev_setHead: async (node, params) => {
    const to = params.raw(0);
    const options = { resubmit: recordOf(params.raw(1) ?? {})['resubmit'] === true };
    if (isHex(to, 32)) return (await node.reorg(to, options)).hash;
    if (typeof to !== 'number' || !Number.isSafeInteger(to)) {
      throw rpcErrors.invalidParams('the head must be a number or a hash');
    }
    return (await node.reorg(to < 0 ? node.blocks.head.number + to : to, options)).hash;
  },
  /** Milliseconds since 1970, or a date as text. Gives the milliseconds. */
  dev_timeTravel: async (node, params) => {
    const date = params.raw(0);
    const unixMs = typeof date === 'string' ? Date.parse(date) : date;
    if (typeof unixMs !== 'number' || !Number.isFinite(unixMs)) {
      throw rpcErrors.invalidParams('the time must be milliseconds or a date');
    }
    await node.timeTravel(unixMs);
    return unixMs;
  },
  /** `[[key, value|null], …]`, or `{ Pallet: { Item: value | [[keys, value], …] } }`. Gives the new head's hash. */
  dev_setStorage: async (node, params) => {
    const given = params.raw(0);
    const entries = Array.isArray(given)
      ? given.map((pair: unknown) => pairOf(pair))
      : storageEntries(recordOf(given), node.blocks.head.runtime);
    return (await node.setStorage(entries)).hash;
  },
  /** Drops the states of the blocks below that number. */
  dev_pruneBefore: (node, params) => {
    node.pruneBefore(params.integer(0, 'the block'));
    return null;
  },
};

function pairOf(pair: unknown): StorageDiff[number] {
  if (!Array.isArray(pair)) throw rpcErrors.invalidParams('storage must be a list of pairs');
  const [key, value] = pair as readonly unknown[];
  if (!isHex(key) || !(value === null || value === undefined || isHex(value))) {
    throw rpcErrors.invalidParams('a pair must be a hex key and a hex value or null');
  }
  return [key, value ?? null];
}

function recordOf(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { ...value };
  throw rpcErrors.invalidParams('an object was expected');
}

function numberOf(value: unknown, what: string): number {
  if (typeof value === 'number' && Number.isSafeInteger(value)) return value;
  throw rpcErrors.invalidParams(`${what} must be a number`);
}

export { devMethods };
