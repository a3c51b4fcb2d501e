import type { DevChain } from '../../src/dev-chain/index.ts';
import type { Chain } from '../../src/chain/index.ts';
import { storagePrefix } from '../../src/chain/storage/storage-key.ts';
import { Refusal, startRpcProxy, type RpcProxy } from './rpc-proxy.ts';

const key = storagePrefix('PhalaMq', 'OutboundMessages');

/** A node in front of a dev chain that lacks `PhalaMq.OutboundMessages` of blocks that a test chooses, as one that prunes does. */
export class ForgetfulNode implements AsyncDisposable {
  readonly proxy: RpcProxy;
  /** Asked for each block at each read of it. */
  isGone: (number: number) => boolean = () => false;
  /** The same, of all that is in the state of a block. */
  isAllGone: (number: number) => boolean = () => false;
  /** Blocks of which it gave them. */
  readonly given = new Set<number>();
  /** How often it was asked for those of a block alone, or by a proof. */
  readonly asked = new Map<number, number>();
  /** By hash. */
  readonly #numbers = new Map<unknown, number>();

  private constructor(proxy: RpcProxy) {
    this.proxy = proxy;
    proxy.alter = (method, params, result) => {
      const blocks = this.#blocksOf(method, params);
      if (method !== 'state_queryStorage')
        for (const block of blocks) this.asked.set(block, (this.asked.get(block) ?? 0) + 1);
      const number = params.map((param) => this.#numbers.get(param)).find((known) => known !== undefined);
      const isAllGone = method.startsWith('state_') && number !== undefined && this.isAllGone(number);
      if (isAllGone || blocks.some((block) => this.isGone(block)))
        return new Refusal('Client error: UnknownBlock: State already discarded for the block', 4003);
      for (const block of blocks) this.given.add(block);
      return result;
    };
  }

  /** Knows the blocks from `first` on, by a connection that is not its own. */
  static async start(dev: DevChain, direct: Chain, first: number): Promise<ForgetfulNode> {
    const node = new ForgetfulNode(await startRpcProxy(dev.ws));
    await node.learn(direct, first);
    return node;
  }

  get ws(): string {
    return this.proxy.ws;
  }

  /** Learns which blocks there are by now. */
  async learn(direct: Chain, first: number): Promise<void> {
    const { number } = await direct.finalizedHead();
    for (let at = first; at <= number; at++) this.#numbers.set((await direct.headAt(at))?.hash, at);
  }

  /** Of those that it learnt of, whose messages a request asks for. */
  #blocksOf(method: string, params: readonly unknown[]): number[] {
    const [keys, from, to = from] = params;
    if (!/^state_(getReadProof|getStorage|queryStorage)$/.test(method) || ![keys].flat().includes(key)) return [];
    const [first, last] = [this.#numbers.get(from), this.#numbers.get(to)];
    if (first === undefined || last === undefined) return [];
    return Array.from({ length: last - first + 1 }, (_, i) => first + i);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.proxy[Symbol.asyncDispose]();
  }
}

/** Numbers as runs of consecutive ones, in order. */
export function runsOf(numbers: Iterable<number>): (readonly [first: number, last: number])[] {
  const runs: (readonly [number, number])[] = [];
  for (const number of [...numbers].toSorted((a, b) => a - b)) {
    const [first, last] = runs.at(-1) ?? [number, Infinity];
    if (number === last + 1) runs.splice(-1, 1, [first, number]);
    else runs.push([number, number]);
  }
  return runs;
}
