import { storagePrefix } from '../../src/chain/storage/storage-key.ts';
import { toHex, type Hex } from '../../src/codec/index.ts';
import { inventBranch } from '../support/invented-branch.ts';
import type { Alter } from '../support/rpc-proxy.ts';
import type { Dice } from './dice.ts';

const workersPrefix = storagePrefix('PhalaRegistry', 'Workers');
const endpointsPrefix = storagePrefix('PhalaRegistry', 'Endpoints');
const eventsKey = storagePrefix('System', 'Events');
/** As it stands in metadata; another name of the same length in its place leaves a chain without the pallet. */
const [palletName, otherName] = ['PhalaRegistry', 'PhalaRegistrx'].map((name) =>
  toHex(new TextEncoder().encode(name)).slice(2),
);

interface Header {
  readonly number: Hex;
  readonly stateRoot: Hex;
  readonly extrinsicsRoot: Hex;
}

interface Version {
  readonly specVersion: number;
}

const isHeader = (method: string): boolean =>
  method === 'chain_getHeader' || method === 'chain_newHead' || method === 'chain_finalizedHead';
const isKeyList = (method: string, [prefix]: readonly unknown[]): boolean =>
  method === 'state_getKeysPaged' && (prefix === workersPrefix || prefix === endpointsPrefix);

/** Alters what it is asked of blocks after the genesis, whose header some chains give no hash. */
function ofHeaders(alter: (header: Header) => object): Alter {
  return (method, _, result) => {
    if (!isHeader(method) || result === null) return result;
    const header = result as Header;
    return Number(header.number) === 0 ? header : { ...header, ...alter(header) };
  };
}

function ofProofs(alter: (proof: readonly Hex[]) => readonly Hex[]): Alter {
  return (method, _, result) => {
    if (method !== 'state_getReadProof') return result;
    const { at, proof } = result as { at: Hex; proof: Hex[] };
    const altered = alter(proof);
    return altered.length === proof.length && altered.every((node, i) => node === proof[i])
      ? result
      : { at, proof: altered };
  };
}

function ofValues(alter: (key: Hex, value: Hex) => Hex | null): Alter {
  return (method, _, result) => {
    if (method !== 'state_queryStorageAt') return result;
    const sets = result as { block: Hex; changes: [Hex, Hex | null][] }[];
    if (!sets.some(({ changes }) => changes.some(([key, value]) => value !== null && alter(key, value) !== value)))
      return result;
    return sets.map(({ block, changes }) => ({
      block,
      changes: changes.map(([key, value]) => [key, value === null ? null : alter(key, value)]),
    }));
  };
}

/** Says that a block that nobody else has is finalized, far above all others, and tells of it once, then of nothing. */
function farAhead(): Alter {
  const branch = inventBranch({ number: 2 ** 29, hash: `0x${'fa'.repeat(32)}` });
  const header = branch.next();
  const [hash] = branch.hashes;
  return (method, [asked], result) => {
    if (method === 'chain_getFinalizedHead') return hash;
    return method === 'chain_finalizedHead' || (method === 'chain_getHeader' && asked === hash) ? header : result;
  };
}

/** Tells of the same head again and again, of a chain that goes on. */
function repeating(): Alter {
  const first = new Map<string, unknown>();
  return (method, _, result) => {
    if (method !== 'chain_finalizedHead' && method !== 'chain_newHead' && method !== 'chain_getFinalizedHead')
      return result;
    if (!first.has(method)) first.set(method, result);
    return first.get(method);
  };
}

const flipped = (bytes: Hex): Hex => `0x${bytes.slice(2, -2)}${bytes.endsWith('00') ? '01' : '00'}`;

/** Whoever asks for finalized blocks by number is told it; best ones are asked for by their hashes. */
export const byNumber = 'gives other blocks by number';

/**
 * Lies for which a node is named and left. The others can not be told from an honest node that is ahead of all others, or
 * behind (docs/chain.md).
 */
export const caught: ReadonlySet<string> = new Set([
  'alters proofs',
  'leaves parts of proofs out',
  'has other state roots',
  'cuts headers into other fields of the same hash',
  'gives headers other numbers',
  byNumber,
  'leaves keys out',
  'invents keys',
  'lists keys for ever',
  'has other metadata',
  'names another version of its runtime',
]);

/** Every kind of lie that a node can tell who verifies, by what it does. */
export function liesBy(dice: Dice): Readonly<Record<string, Alter>> {
  let made = 0;
  const inventedKey = (): Hex => `${workersPrefix}${(++made).toString(16).padStart(80, '0')}`;
  return {
    'alters proofs': ofProofs((proof) => proof.map(flipped)),
    'leaves parts of proofs out': ofProofs((proof) => proof.filter(() => !dice.chance(0.2))),
    'has other state roots': ofHeaders(({ stateRoot }) => ({ stateRoot: flipped(stateRoot) })),
    'cuts headers into other fields of the same hash': ofHeaders(({ stateRoot, extrinsicsRoot }) => ({
      stateRoot: stateRoot.slice(0, 4),
      extrinsicsRoot: `0x${stateRoot.slice(4)}${extrinsicsRoot.slice(2)}`,
    })),
    'gives headers other numbers': ofHeaders(({ number }) => ({
      number: toHexNumber(Math.max(1, Number(number) + dice.pick([-1, 1, 1_000]))),
    })),
    [byNumber]: (method, [number], result) => {
      if (method !== 'chain_getBlockHash' || number === 0) return result;
      const other = (hash: Hex | null): Hex | null => hash && flipped(hash);
      return Array.isArray(result) ? (result as (Hex | null)[]).map(other) : other(result as Hex | null);
    },
    'leaves keys out': (method, params, result) =>
      isKeyList(method, params) ? (result as Hex[]).filter(() => !dice.chance(0.3)) : result,
    'invents keys': (method, params, result) =>
      isKeyList(method, params) ? [inventedKey(), ...(result as Hex[])] : result,
    'lists keys for ever': (method, params, result) =>
      isKeyList(method, params) ? Array.from({ length: Number(params[1]) }, inventedKey) : result,
    'says that it is far ahead': farAhead(),
    'repeats an old head': repeating(),
    'has other metadata': (method, _, result) =>
      method === 'state_getMetadata' ? String(result).replaceAll(palletName ?? '', otherName ?? '') : result,
    'names another version of its runtime': (method, _, result) =>
      method === 'state_getRuntimeVersion' && result !== null
        ? { ...(result as object), specVersion: (result as Version).specVersion + 1_000 }
        : result,
  };
}

/**
 * Hides all that hints are taken from, which is all that whoever does not verify can be told and still come to the truth: of
 * such a node values are believed.
 */
export function hideHints(): Alter {
  const withoutEvents = ofValues((key, value) => (key === eventsKey ? null : value));
  return (method, params, result) => {
    if (method !== 'chain_getBlock' || result === null) return withoutEvents(method, params, result);
    const { block, justifications } = result as { block: object; justifications: unknown };
    return { block: { ...block, extrinsics: [] }, justifications };
  };
}

function toHexNumber(number: number): Hex {
  return `0x${number.toString(16)}`;
}
