import type { Hex } from '../codec/index.ts';
import type { BlockChanges } from './change-source.ts';

/** Blocks whose changes are remembered: as deep as a reorg that the chain room takes back. */
const remembered = 1_024;

/** What recent blocks touched, to read it again where a reorg takes a block away. */
export class TouchedBlocks {
  readonly #blocks = new Map<Hex, BlockChanges>();

  add(hash: Hex, changes: BlockChanges): void {
    this.#blocks.set(hash, changes);
    const [oldest] = this.#blocks.keys();
    if (this.#blocks.size > remembered && oldest !== undefined) this.#blocks.delete(oldest);
  }

  take(hash: Hex): BlockChanges | undefined {
    const changes = this.#blocks.get(hash);
    this.#blocks.delete(hash);
    return changes;
  }
}
