import { WsProvider } from '@polkadot/api';
import type { BlockId, Finality } from '../../src/chain/index.ts';
import type { Hex } from '../../src/codec/index.ts';
import { until } from './until.ts';

interface PlainHeader {
  readonly number: Hex;
}

/** What a node says of its blocks, asked by another library than the one that is tested. */
export class NodeView implements AsyncDisposable {
  readonly #provider: WsProvider;
  #finalized = -1;

  private constructor(provider: WsProvider) {
    this.#provider = provider;
  }

  static async open(ws: string): Promise<NodeView> {
    const provider = new WsProvider(ws);
    await provider.isReady;
    return new NodeView(provider);
  }

  ask<T>(method: string, ...params: readonly unknown[]): Promise<T> {
    return this.#provider.send<T>(method, [...params]);
  }

  async newest(finality: Finality = 'finalized'): Promise<BlockId> {
    const isBest = finality === 'best';
    const hash = await this.ask<Hex>(isBest ? 'chain_getBlockHash' : 'chain_getFinalizedHead');
    return { number: Number((await this.ask<PlainHeader>('chain_getHeader', hash)).number), hash };
  }

  /** null where there is none yet. */
  hashAt(number: number): Promise<Hex | null> {
    return this.ask('chain_getBlockHash', number);
  }

  /** Resolves once that block is final. */
  async finalizes(number: number): Promise<void> {
    if (this.#finalized < 0) {
      this.#finalized = (await this.newest()).number;
      await this.#provider.subscribe('chain_finalizedHead', 'chain_subscribeFinalizedHeads', [], (_, header) => {
        this.#finalized = Math.max(this.#finalized, Number((header as PlainHeader | undefined)?.number ?? 0));
      });
    }
    await until(() => this.#finalized >= number);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#provider.disconnect();
  }
}
