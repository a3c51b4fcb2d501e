import { hashHeader, parseHeader } from '../../src/chain/head/header.ts';
import { RpcSocket } from '../../src/chain/rpc/rpc-socket.ts';
import type { Hex } from '../../src/codec/index.ts';
import { Refusal, type Alter, type RpcProxy } from '../support/rpc-proxy.ts';

const newHeads = { subscribe: 'chain_subscribeNewHeads', unsubscribe: 'chain_unsubscribeNewHeads' };

interface Frozen {
  readonly finalized: { readonly hash: Hex; readonly header: object };
  readonly best: { readonly number: number; readonly hash: Hex; readonly header: object };
  /** Of the best branch, those above the finalized block. */
  readonly hashes: ReadonlyMap<number, Hex>;
  /** Of blocks that came later. */
  readonly later: Set<Hex>;
  readonly socket: RpcSocket;
}

/**
 * An honest node that stands still from time to time, as one that imports no blocks does: it is behind, and on a fork
 * where a reorg comes meanwhile.
 */
export class Laggard implements AsyncDisposable {
  readonly #proxy: RpcProxy;
  #frozen: Frozen | undefined;

  constructor(proxy: RpcProxy) {
    this.#proxy = proxy;
    proxy.alter = (...answer) => (this.#frozen === undefined ? answer[2] : alterBy(this.#frozen, ...answer));
  }

  get isFrozen(): boolean {
    return this.#frozen !== undefined;
  }

  /** From here on it knows no new blocks. */
  async freeze(): Promise<void> {
    await this.thaw();
    const { signal } = new AbortController();
    const socket = await RpcSocket.open(this.#proxy.target, { timeoutMs: 10_000, signal });
    const finalizedHash = (await socket.request('chain_getFinalizedHead')) as Hex;
    const finalizedHeader = (await socket.request('chain_getHeader', [finalizedHash])) as object;
    const bestHash = (await socket.request('chain_getBlockHash')) as Hex;
    const bestHeader = (await socket.request('chain_getHeader', [bestHash])) as object;
    const best = { number: parseHeader(bestHeader).number, hash: bestHash, header: bestHeader };
    const hashes = new Map<number, Hex>();
    for (let number = parseHeader(finalizedHeader).number + 1; number <= best.number; number++)
      hashes.set(number, (await socket.request('chain_getBlockHash', [number])) as Hex);
    const later = new Set<Hex>();
    await socket.subscribe(newHeads, [], (value) => {
      const header = parseHeader(value);
      if (header.number > best.number) later.add(hashHeader(header));
    });
    this.#frozen = { finalized: { hash: finalizedHash, header: finalizedHeader }, best, hashes, later, socket };
  }

  async thaw(): Promise<void> {
    this.#frozen?.socket.close('done');
    await this.#frozen?.socket.closed;
    this.#frozen = undefined;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.thaw();
  }
}

/** What it says while it stands still. */
function alterBy({ finalized, best, hashes, later }: Frozen, ...[method, params, result]: Parameters<Alter>): unknown {
  const hashAt = (number: number, now: unknown): unknown => (number > best.number ? null : (hashes.get(number) ?? now));
  if (method === 'chain_finalizedHead') return finalized.header;
  if (method === 'chain_newHead') return best.header;
  if (method === 'chain_getFinalizedHead') return finalized.hash;
  if (method === 'chain_getBlockHash') {
    const [numbers] = params;
    if (Array.isArray(numbers)) return numbers.map((each, i) => hashAt(Number(each), (result as unknown[])[i]));
    return numbers === undefined || numbers === null ? best.hash : hashAt(Number(numbers), result);
  }
  if (method === 'chain_getHeader' && (params[0] ?? undefined) === undefined) return best.header;
  if (!later.has(params.at(-1) as Hex)) return result;
  if (method.startsWith('chain_')) return null;
  return new Refusal('Client error: UnknownBlock: Header was not found in the database', 4_003);
}
