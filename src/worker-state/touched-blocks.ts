import type { Hex } from '../codec/index.ts';
import type { TouchedWorkers } from '../chain/index.ts';

/** Blocks whose changes are remembered: as deep as a reorg that the chain room takes back. */
const remembered = 1_024;

/** What recent blocks touched, to read it again where a reorg takes a block away. */
export class TouchedBlocks {
  readonly #blocks = new Map<Hex, TouchedWorkers>();

  add(hash: Hex, changes: TouchedWorkers): void {
    this.#blocks.set(hash, changes);
    const [oldest] = this.#blocks.keys();
    if (this.#blocks.size > remembered && oldest !== undefined) this.#blocks.delete(oldest);
  }

  get(hash: Hex): TouchedWorkers | undefined {
    return this.#blocks.get(hash);
  }

  delete(hash: Hex): void {
    this.#blocks.delete(hash);
  }
}
