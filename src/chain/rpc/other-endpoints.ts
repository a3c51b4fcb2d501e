import { anySignal, throwIfAborted } from '../abort.ts';
import type { Answer, Connection } from './connection.ts';
import { openOnChain } from './open-on-chain.ts';
import type { RpcSocket } from './rpc-socket.ts';

/** A side socket that nobody used for so long is closed. */
const idleMs = 60_000;

/** The endpoints that the connection is not on: asked where it lacks a block's state, and kept open while that lasts. */
export class OtherEndpoints {
  readonly #connection: Connection;
  readonly #sockets = new Map<
    string,
    { readonly socket: Promise<RpcSocket>; idle: ReturnType<typeof setTimeout> | undefined }
  >();

  constructor(connection: Connection) {
    this.#connection = connection;
    connection.stopped.addEventListener('abort', () => {
      for (const url of this.#sockets.keys()) this.#drop(url);
    });
  }

  /** The first answer that is not an error; undefined where none of the others has one. Throws aborted. */
  async request(
    method: string,
    params: readonly unknown[],
    signal: AbortSignal | undefined,
  ): Promise<Answer | undefined> {
    const { socket: present } = await this.#connection.session({ signal });
    for (const url of this.#connection.options.endpoints) {
      if (url === present.url || this.#connection.hasLeft(url)) continue;
      try {
        const socket = await this.#open(url);
        const result = await socket.request(method, params, { signal });
        if (result !== null && result !== undefined) return { result, url };
      } catch {
        // Whatever this endpoint lacks, another may have; the caller reports the first one's reason.
        throwIfAborted(signal);
      }
    }
    return undefined;
  }

  async #open(url: string): Promise<RpcSocket> {
    let entry = this.#sockets.get(url);
    if (entry === undefined) {
      const { options, genesisHash, stopped } = this.#connection;
      const opening = openOnChain(url, { timeoutMs: options.timeoutMs, signal: anySignal(stopped), genesisHash });
      entry = { socket: opening.then(({ socket }) => socket), idle: undefined };
      this.#sockets.set(url, entry);
      entry.socket.then(
        (socket) => socket.closed.then(() => this.#sockets.delete(url)),
        () => this.#sockets.delete(url),
      );
    }
    clearTimeout(entry.idle);
    entry.idle = setTimeout(() => {
      this.#drop(url);
    }, idleMs);
    return entry.socket;
  }

  #drop(url: string): void {
    const entry = this.#sockets.get(url);
    this.#sockets.delete(url);
    clearTimeout(entry?.idle);
    entry?.socket.then(
      (socket) => {
        socket.close('idle');
      },
      () => undefined,
    );
  }
}
