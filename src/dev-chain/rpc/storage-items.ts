import type { Hex } from '../../codec/hex.ts';
import type { DevNode } from '../node.ts';
import type { DevBlock } from '../block/block.ts';
import { stateOf } from './params.ts';
import { rpcErrors } from './rpc-error.ts';

/** An item of `chainHead_v1_storage`. */
export interface StorageQuery {
  readonly key: Hex;
  readonly type: string;
}

export interface StorageItem {
  readonly key: Hex;
  readonly value?: Hex;
  readonly hash?: Hex;
  readonly closestDescendantMerkleValue?: Hex;
}

export function readItems(block: DevBlock, queries: readonly StorageQuery[], node: DevNode): StorageItem[] {
  return queries.flatMap(({ key, type }) => read(block, key, type, node));
}

function read(block: DevBlock, key: Hex, type: string, node: DevNode): StorageItem[] {
  const state = stateOf(block);
  const value = (at: Hex): StorageItem[] => {
    const found = state.get(at);
    return found === undefined ? [] : [{ key: at, value: found }];
  };
  const hash = (at: Hex): StorageItem[] =>
    value(at).map((item) => ({ key: item.key, hash: node.hashOf(item.value ?? '0x') }));
  const descendants = (): Hex[] => [key, ...state.keys(key, key, Infinity)];
  switch (type) {
    case 'value':
      return value(key);
    case 'hash':
      return hash(key);
    case 'descendantsValues':
      return descendants().flatMap(value);
    case 'descendantsHashes':
      return descendants().flatMap(hash);
    case 'closestDescendantMerkleValue': {
      const merkleValue = state.closestDescendantMerkleValue(key, block.stateVersion);
      return merkleValue === undefined ? [] : [{ key, closestDescendantMerkleValue: merkleValue }];
    }
    default:
      throw rpcErrors.invalidParams(`there is no type ${type} of storage items`);
  }
}
