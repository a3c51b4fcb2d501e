import type { BlockNumber } from '../../../src/chain/index.ts';
import { messageId, type Hex } from '../../../src/codec/index.ts';
import { maxBlockNumber } from '../../../src/inbox/early-marks.ts';
import { InboxStore } from '../../../src/inbox/inbox-store.ts';
import type { TransactionalStore } from '../../../src/store/index.ts';
import type { SimulatedChain } from '../../support/simulation/simulated-chain.ts';
import { leftIn } from '../left-in.ts';

/** The store of an inbox that has read up to a block which a node made up. */
export class Stranded {
  readonly #disk: TransactionalStore;
  readonly #store: InboxStore;
  readonly #chain: SimulatedChain;

  constructor(disk: TransactionalStore, chain: SimulatedChain) {
    this.#disk = disk;
    this.#store = new InboxStore(disk);
    this.#chain = chain;
  }

  /** The last block that it has read and is there. */
  async lastRead(): Promise<BlockNumber> {
    const cursor = await this.#store.cursor();
    let block = cursor && this.#chain.block(cursor.hash);
    while (block !== undefined && this.#chain.wasMadeUp(block.head.hash))
      block = this.#chain.block(block.head.parentHash);
    return block?.head.number ?? 0;
  }

  /** Messages that were handed out early, and neither taken back nor final. */
  async early(): Promise<Hex[]> {
    const ids: Hex[] = [];
    for (const { sequence } of await this.#store.early.messages(0, maxBlockNumber)) {
      const item = await this.#store.item(sequence);
      if (item?.kind === 'message' && !item.isRetracted && !item.isWaiting)
        ids.push(messageId({ genesisHash: this.#chain.genesisHash, envelope: item.envelope }));
    }
    return ids;
  }

  /** What it keeps and needs no more, its consumer being done with all: only what it took early, above the cursor, waits for something. */
  async left(): Promise<string[]> {
    const cursor = (await this.#store.cursor())?.number ?? 0;
    const { early } = this.#store;
    // What a reorg took has no block any more, and waits for its number to be final.
    const above = [
      ...(await early.taken(cursor + 1, maxBlockNumber)),
      ...(await early.messages(cursor + 1, maxBlockNumber)),
    ];
    if (above.length === 0) return leftIn(this.#disk);
    const marked = await early.messages(0, cursor);
    return marked.map(({ number }) => `left in the store: the mark of an early message of block ${number}`);
  }
}
