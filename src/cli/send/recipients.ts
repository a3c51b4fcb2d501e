import type { Chain } from '../../chain/index.ts';
import type { Hex } from '../../codec/index.ts';
import type { PeerDirectory } from '../../relay/index.ts';
import type { TransactionalStore } from '../../store/index.ts';
import { readWorker, type ReadWorkerOptions, type WorkerEntry } from '../../worker-state/index.ts';

/** Entries on chain of those who are sent to: what an earlier command left in the queue may be for others. */
export class Recipients implements PeerDirectory {
  readonly #chain: Chain;
  readonly #store: TransactionalStore;
  readonly #options: Pick<ReadWorkerOptions, 'verify'>;
  readonly #entries = new Map<Hex, WorkerEntry | undefined>();

  constructor(chain: Chain, store: TransactionalStore, options: Pick<ReadWorkerOptions, 'verify'>) {
    this.#chain = chain;
    this.#store = store;
    this.#options = options;
  }

  get(id: Hex): WorkerEntry | undefined {
    return this.#entries.get(id);
  }

  /** Reads each once: a command is short. */
  async load(id: Hex, signal?: AbortSignal): Promise<void> {
    if (this.#entries.has(id)) return;
    const options = { ...this.#options, store: this.#store, ...(signal === undefined ? {} : { signal }) };
    this.#entries.set(id, await readWorker(this.#chain, id, options));
  }
}
