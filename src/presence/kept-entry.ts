import type { BlockId, Chain, Inclusion, WorkerRecord } from '../chain/index.ts';
import type { TransactionalStore } from '../store/index.ts';
import type { Vault } from '../vault/index.ts';
import { publishedEpochs, publishedUrls } from './own-entry.ts';
import { currentEpoch } from './publish.ts';
import { SeenLists } from './seen-lists.ts';

interface KeptEntryParts {
  readonly chain: Chain;
  readonly vault: Vault;
  readonly store: TransactionalStore;
  readonly signal: AbortSignal;
}

/**
 * An entity's own entry on chain, and what its owner wants there: the last of the lists that were noted. So they are noted in the
 * order of the chain, and what stands there now is only judged: those before it may be yet to come.
 */
export class KeptEntry {
  readonly #parts: KeptEntryParts;
  readonly #lists: SeenLists;

  constructor(parts: KeptEntryParts) {
    this.#parts = parts;
    this.#lists = new SeenLists(parts.store, parts.chain.genesisHash, parts.vault.identity);
  }

  /** As it stands in a block; default the newest finalized one. undefined: the entity is not registered. */
  async at(block?: Pick<BlockId, 'hash'>): Promise<WorkerRecord | undefined> {
    const { chain, vault, signal } = this.#parts;
    const { hash } = block ?? (await chain.finalizedHead(signal));
    return chain.at(hash).worker(vault.identity, signal);
  }

  /** Takes it for what its owner wants, unless it was there before or is of an epoch before the current one. */
  async note(record: WorkerRecord): Promise<void> {
    if ((await this.#hasOldEpoch(record)) || (await this.#lists.isOld(record.endpoints))) return;
    await this.#lists.add(record.endpoints, publishedUrls(record));
  }

  /** At once: what the owner published before it, and is not noted yet, is then found to have been replaced by it. */
  async notePublished({ blockHash: hash }: Inclusion): Promise<void> {
    const record = await this.at({ hash });
    if (record !== undefined) await this.note(record);
  }

  /**
   * URLs that the owner wants in its place; undefined where it may stay. So may a list that was there before where it says the same
   * as the newest one: two processes may have published both.
   */
  async wantedInsteadOf(record: WorkerRecord): Promise<readonly string[] | undefined> {
    const hasOldEpoch = await this.#hasOldEpoch(record);
    if (!hasOldEpoch && !(await this.#lists.isOld(record.endpoints))) return undefined;
    const present = publishedUrls(record);
    const urls = (await this.#lists.wanted()) ?? present;
    return hasOldEpoch || !isSameList(urls, present) ? urls : undefined;
  }

  /** An older one than the vault's current one, which was finalized on chain once. */
  async #hasOldEpoch(record: WorkerRecord): Promise<boolean> {
    const { chain, vault } = this.#parts;
    return Math.max(...publishedEpochs(chain.genesisHash, record)) < (await currentEpoch({ vault }));
  }
}

function isSameList(some: readonly string[], others: readonly string[]): boolean {
  return some.length === others.length && some.every((each, i) => each === others[i]);
}
