import type { Hex } from '../../codec/hex.ts';
import type { DevBlock } from '../block/block.ts';
import { isHex } from '../hex.ts';
import type { DevNode } from '../node.ts';
import type { ChainState } from '../state/chain-state.ts';
import { rpcErrors } from './rpc-error.ts';

/** Positional parameters, checked as they are read: each reader throws -32602. */
export class Params {
  readonly #values: readonly unknown[];

  constructor(values: readonly unknown[]) {
    this.#values = values;
  }

  /** Null and a missing parameter are the same. */
  raw(index: number): unknown {
    return this.#values[index] ?? undefined;
  }

  /** As in a node the 0x may be missing: polkadot-api leaves it out where there is nothing else. */
  hex(index: number, what: string): Hex {
    const given = this.raw(index);
    const value = typeof given === 'string' && !given.startsWith('0x') ? `0x${given}` : given;
    if (!isHex(value)) throw rpcErrors.invalidParams(`${what} must be hex`);
    return value;
  }

  optionalHex(index: number, what: string): Hex | undefined {
    return this.raw(index) === undefined ? undefined : this.hex(index, what);
  }

  hexList(index: number, what: string): Hex[] {
    const value = this.raw(index);
    if (!Array.isArray(value) || !value.every((item) => isHex(item))) {
      throw rpcErrors.invalidParams(`${what} must be a list of hex`);
    }
    return value;
  }

  text(index: number, what: string): string {
    const value = this.raw(index);
    if (typeof value !== 'string') throw rpcErrors.invalidParams(`${what} must be a string`);
    return value;
  }

  integer(index: number, what: string): number {
    const value = this.raw(index);
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) {
      throw rpcErrors.invalidParams(`${what} must be a number`);
    }
    return value;
  }

  /** The block with the hash at `index`, else the head. Throws 4003. */
  block(index: number, node: DevNode): DevBlock {
    const hash = this.raw(index);
    if (hash === undefined) return node.blocks.head;
    if (!isHex(hash, 32)) throw rpcErrors.invalidParams('a block hash must be 32 bytes of hex');
    const block = node.blocks.byHash(hash);
    if (block === undefined) throw rpcErrors.unknownBlock(hash);
    return block;
  }

  /** The state after that block. Throws 4003. */
  state(index: number, node: DevNode): ChainState {
    return stateOf(this.block(index, node));
  }
}

/** Throws 4003, as a node that prunes does. */
export function stateOf(block: DevBlock): ChainState {
  if (block.state === undefined) throw rpcErrors.stateDiscarded(block.hash);
  return block.state;
}
