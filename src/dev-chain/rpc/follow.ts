import type { Hex } from '../../codec/hex.ts';
import type { HeadChange } from '../block/block-store.ts';
import type { DevBlock } from '../block/block.ts';
import type { Runtime } from '../executor/runtime.ts';
import type { DevNode } from '../node.ts';
import type { Sink } from './method.ts';

/** One `chainHead_v1_follow` subscription: tells each block once, then which is best and which are final. */
export class Follow {
  readonly #node: DevNode;
  readonly #sink: Sink;
  readonly #withRuntime: boolean;
  /** Told of and not yet final. */
  readonly #open = new Map<Hex, DevBlock>();
  readonly #unsubscribe: () => void;

  constructor(node: DevNode, sink: Sink, withRuntime: boolean) {
    this.#node = node;
    this.#sink = sink;
    this.#withRuntime = withRuntime;
    const { finalized, head } = node.blocks;
    this.send({
      event: 'initialized',
      finalizedBlockHashes: [finalized.hash],
      ...(withRuntime ? { finalizedBlockRuntime: runtimeEvent(finalized.runtime) } : {}),
    });
    for (let number = finalized.number + 1; number <= head.number; number += 1) {
      this.#tell(node.blocks.find(number));
    }
    this.send({ event: 'bestBlockChanged', bestBlockHash: head.hash });
    this.#unsubscribe = node.onHeadChanged((change) => this.#headChanged(change));
  }

  send(event: object): void {
    this.#sink.send(event);
  }

  close(): void {
    this.#unsubscribe();
  }

  #headChanged(change: HeadChange): void {
    for (const block of change.enacted) if (!this.#open.has(block.hash)) this.#tell(block);
    this.send({ event: 'bestBlockChanged', bestBlockHash: this.#node.blocks.head.hash });
    const last = change.finalized.at(-1);
    if (last === undefined) return;
    for (const block of change.finalized) this.#open.delete(block.hash);
    const pruned = [...this.#open.values()].filter((block) => block.number <= last.number);
    for (const block of pruned) this.#open.delete(block.hash);
    this.send({
      event: 'finalized',
      finalizedBlockHashes: change.finalized.map(({ hash }) => hash),
      prunedBlockHashes: pruned.map(({ hash }) => hash),
    });
  }

  #tell(block: DevBlock): void {
    this.#open.set(block.hash, block);
    const { parentHash } = block.header;
    const parent = this.#node.blocks.byHash(parentHash);
    const changed = this.#withRuntime && parent !== undefined && parent.runtime.code !== block.runtime.code;
    const newRuntime = changed ? runtimeEvent(block.runtime) : null;
    this.send({ event: 'newBlock', blockHash: block.hash, parentBlockHash: parentHash, newRuntime });
  }
}

function runtimeEvent({ version }: Runtime): object {
  const { specName, implName, specVersion, implVersion, transactionVersion } = version;
  const apis = Object.fromEntries(version.apis);
  return { type: 'valid', spec: { specName, implName, specVersion, implVersion, transactionVersion, apis } };
}
