import type { Hex } from '../../codec/index.ts';
import { abortable } from '../abort.ts';
import type { RpcSocket } from '../rpc/rpc-socket.ts';

/**
 * What becomes of a posted extrinsic, as its node sees it. `lost`: the socket broke, nothing more is known. `silent`: blocks
 * come, and the node tells nothing of it.
 */
export type ExtrinsicStatus =
  | { readonly kind: 'inBlock' | 'finalized' | 'retracted'; readonly block: Hex }
  | { readonly kind: 'usurped' | 'dropped' | 'invalid' | 'finalityTimeout' | 'lost' | 'silent' };

/** Statuses of one extrinsic in order; those that say nothing new are left out. */
export class StatusWatch {
  static readonly #open = new WeakMap<RpcSocket, Set<StatusWatch>>();
  readonly #queue: ExtrinsicStatus[] = [];
  #wake: () => void = () => undefined;
  #end: () => void = () => undefined;

  /** The only way to one. Posts and watches. Throws RpcError where the node refuses, ConnectionLost where nobody knows. */
  static async post(socket: RpcSocket, extrinsic: Hex): Promise<StatusWatch> {
    const watch = new StatusWatch();
    const watches = StatusWatch.#of(socket);
    watches.add(watch);
    try {
      const unsubscribe = await socket.subscribe(
        { subscribe: 'author_submitAndWatchExtrinsic', unsubscribe: 'author_unwatchExtrinsic' },
        [extrinsic],
        (value) => {
          const status = parseStatus(value);
          if (status !== undefined) watch.#push(status);
        },
      );
      watch.#end = () => {
        watches.delete(watch);
        unsubscribe();
      };
      return watch;
    } catch (error) {
      watches.delete(watch);
      throw error;
    }
  }

  /** All that wait for its end, for one: a socket lives for as long as the process, and a promise keeps whoever asked it. */
  static #of(socket: RpcSocket): Set<StatusWatch> {
    const known = StatusWatch.#open.get(socket);
    if (known !== undefined) return known;
    const watches = new Set<StatusWatch>();
    StatusWatch.#open.set(socket, watches);
    void socket.closed.then(() => {
      for (const watch of watches) watch.#push({ kind: 'lost' });
    });
    return watches;
  }

  async next(signal: AbortSignal | undefined): Promise<ExtrinsicStatus> {
    for (;;) {
      const status = this.#queue.shift();
      if (status !== undefined) return status;
      const woken = new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      await abortable(woken, signal);
    }
  }

  end(): void {
    this.#end();
  }

  #push(status: ExtrinsicStatus): void {
    this.#queue.push(status);
    this.#wake();
  }
}

function parseStatus(value: unknown): ExtrinsicStatus | undefined {
  if (value === 'dropped' || value === 'invalid') return { kind: value };
  if (typeof value !== 'object' || value === null) return undefined;
  const [entry] = Object.entries(value) as [string, unknown][];
  if (entry === undefined) return undefined;
  const [kind, content] = entry;
  switch (kind) {
    case 'inBlock':
    case 'finalized':
    case 'retracted':
      return typeof content === 'string' ? { kind, block: content as Hex } : undefined;
    case 'usurped':
    case 'dropped':
    case 'invalid':
    case 'finalityTimeout':
      return { kind };
    default:
      return undefined;
  }
}
