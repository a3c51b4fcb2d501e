import type { Hex } from '../../codec/hex.ts';
import type { HeadChange } from '../block/block-store.ts';
import type { DevBlock } from '../block/block.ts';

/** sc-transaction-pool-api's `TransactionStatus`, as the legacy RPC shows it. */
export type TransactionStatus =
  | 'future'
  | 'ready'
  | 'invalid'
  | 'dropped'
  | { readonly inBlock: Hex }
  | { readonly retracted: Hex }
  | { readonly finalized: Hex }
  | { readonly usurped: Hex };

/** `last`: no more will come. */
type Listener = (status: TransactionStatus, last: boolean) => void;

/** Who wants to know what becomes of an extrinsic. */
export class Watchers {
  readonly #listeners = new Map<Hex, Set<Listener>>();

  watch(extrinsic: Hex, listener: Listener): () => void {
    const listeners = this.#listeners.get(extrinsic) ?? new Set();
    this.#listeners.set(extrinsic, listeners.add(listener));
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0 && this.#listeners.get(extrinsic) === listeners) this.#listeners.delete(extrinsic);
    };
  }

  tell(extrinsic: Hex, status: TransactionStatus): void {
    const last = isLast(status);
    const listeners = this.#listeners.get(extrinsic);
    if (last) this.#listeners.delete(extrinsic);
    for (const listener of [...(listeners ?? [])]) listener(status, last);
  }

  headChanged(change: HeadChange): void {
    if (this.#listeners.size === 0) return;
    this.#each(change.retracted, (hash) => ({ retracted: hash }));
    this.#each(change.enacted, (hash) => ({ inBlock: hash }));
    this.#each(change.finalized, (hash) => ({ finalized: hash }));
  }

  #each(blocks: readonly DevBlock[], status: (hash: Hex) => TransactionStatus): void {
    for (const block of blocks) {
      for (const extrinsic of block.extrinsics) {
        if (this.#listeners.has(extrinsic)) this.tell(extrinsic, status(block.hash));
      }
    }
  }
}

function isLast(status: TransactionStatus): boolean {
  if (typeof status === 'string') return status === 'invalid' || status === 'dropped';
  return 'finalized' in status || 'usurped' in status;
}
