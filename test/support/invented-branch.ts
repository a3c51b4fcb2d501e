import { hashHeader, parseHeader } from '../../src/chain/head/header.ts';
import type { Hex } from '../../src/codec/index.ts';
import type { Alter } from './rpc-proxy.ts';

/** As nodes send it. */
export interface PlainHeader {
  readonly number: Hex;
  readonly parentHash: Hex;
  readonly stateRoot: Hex;
  readonly extrinsicsRoot: Hex;
  readonly digest: { readonly logs: readonly Hex[] };
}

export interface InventedBranch {
  /** The header of the next block, which the node is known to have from then on. */
  next(): PlainHeader;
  /** Every hash that was made up. */
  readonly hashes: ReadonlySet<Hex>;
  /** The header of the last one. */
  readonly tip: PlainHeader | undefined;
  /** A made-up block by its hash. */
  header(hash: Hex): PlainHeader | undefined;
}

/** Blocks above `parent` whose headers hash and link, each with a state root of its own. */
export function inventBranch(parent: { readonly number: number; readonly hash: Hex }): InventedBranch {
  const headers = new Map<Hex, PlainHeader>();
  let last = parent;
  let tip: PlainHeader | undefined;
  return {
    get hashes() {
      return new Set(headers.keys());
    },
    get tip() {
      return tip;
    },
    header: (hash) => headers.get(hash),
    next() {
      const number = last.number + 1;
      const root: Hex = `0x${number.toString(16).padStart(64, '0')}`;
      const header = {
        number: `0x${number.toString(16)}`,
        parentHash: last.hash,
        stateRoot: root,
        extrinsicsRoot: root,
        digest: { logs: [] },
      } as const;
      const hash = hashHeader(parseHeader(header));
      headers.set(hash, header);
      last = { number, hash };
      tip = header;
      return header;
    },
  };
}

/**
 * Of a node that tells of a made-up block in the place of each best one, knows them all by their hashes, and says that the last
 * one is its best where it is asked. `isLying` is asked for each head that it tells of.
 */
export function inventing(branch: InventedBranch, isLying = () => true): Alter {
  return (method, [hash], result) => {
    if (method === 'chain_newHead' && isLying()) return branch.next();
    if (method !== 'chain_getHeader') return result;
    return (hash === undefined ? branch.tip : branch.header(hash as Hex)) ?? result;
  };
}
