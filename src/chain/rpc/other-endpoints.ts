import { isRelayError } from '../../errors/index.ts';
import { throwIfAborted } from '../abort.ts';
import type { Answer, Connection, PatientOptions } from './connection.ts';
import { parseHeader } from '../head/header.ts';
import { openOnChain } from './open-on-chain.ts';
import type { RequestOptions, RpcSocket } from './rpc-socket.ts';

/** A side socket that nobody used for so long is closed. */
const idleMs = 60_000;

/**
 * Each endpoint by itself, on a socket of its own where the connection is not on it: asked where that one lacks a block's
 * state, or whether it agrees. Kept open while that lasts.
 */
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

  /** Throws RpcError, ConnectionLost, wrong-chain, aborted, chain-stopped. */
  async ask(
    url: string,
    method: string,
    params: readonly unknown[] = [],
    options: RequestOptions = {},
  ): Promise<unknown> {
    return this.askOn(await this.socket(url), method, params, options);
  }

  /** The one in use for an endpoint: who asks over it several times asks one node, also behind a balancer. Throws as {@link ask}. */
  async socket(url: string): Promise<RpcSocket> {
    const present = this.#connection.present;
    return present?.url === url ? present : this.#open(url);
  }

  /** Throws as {@link ask}. */
  askOn(
    socket: RpcSocket,
    method: string,
    params: readonly unknown[] = [],
    options: RequestOptions = {},
  ): Promise<unknown> {
    return socket.request(method, params, { timeoutMs: this.#connection.options.timeoutMs, ...options });
  }

  /**
   * The first answer that is not an error; undefined where none of the others has one. Throws chain-unreachable where
   * there is no connection for as long as the caller waits for one, aborted.
   */
  async request(
    method: string,
    params: readonly unknown[],
    { signal, patienceMs }: PatientOptions,
  ): Promise<Answer | undefined> {
    const { socket: present } = await this.#connection.session({
      signal,
      ...(patienceMs !== undefined && { patienceMs }),
    });
    for (const url of this.#connection.options.endpoints) {
      if (url === present.url || this.#connection.hasLeft(url)) continue;
      try {
        const result = await this.ask(url, method, params, { signal });
        if (result !== null && result !== undefined) return { result, url };
      } catch {
        // Whatever this endpoint lacks, another may have; the caller reports the first one's reason.
        throwIfAborted(signal);
      }
    }
    return undefined;
  }

  /** The highest number that as many of the others as must agree say their best block has: their word, no more. */
  furthestBest(): Promise<number> {
    return this.furthest(async (url) => parseHeader(await this.ask(url, 'chain_getHeader')).number);
  }

  /**
   * The highest number that as many of the others as must agree, and for which `numberOf` has one, have; those that were
   * contradicted lately are not asked.
   */
  async furthest(numberOf: (url: string) => Promise<number>): Promise<number> {
    const { health, options, present } = this.#connection;
    const isAsked = (url: string): boolean =>
      url !== present?.url && !this.#connection.hasLeft(url) && !health.isDoubted(url);
    const urls = options.endpoints.filter(isAsked);
    const answers = await Promise.allSettled(urls.map(numberOf));
    const said = answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []));
    return said.sort((a, b) => b - a)[Math.min(options.quorum, said.length) - 1] ?? 0;
  }

  async #open(url: string): Promise<RpcSocket> {
    throwIfAborted(this.#connection.stopped);
    let entry = this.#sockets.get(url);
    if (entry === undefined) {
      const { options, genesisHash, stopped } = this.#connection;
      const { health, faults } = this.#connection;
      const opening = openOnChain(url, { timeoutMs: options.timeoutMs, signal: stopped, genesisHash });
      const socket = opening.then((opened) => {
        faults.clearForeign(url);
        health.answered(url, opened.latencyMs);
        this.#connection.noteFinalized(opened.finalized, url);
        return opened.socket;
      });
      socket.catch((error: unknown) => {
        health.failed(url);
        if (isRelayError(error, 'wrong-chain')) this.#connection.foreign(url, error);
        if (isRelayError(error, 'node-lies')) this.#connection.leave(url, error);
      });
      entry = { socket, idle: undefined };
      this.#sockets.set(url, entry);
      const opened = entry;
      const forget = (): void => {
        clearTimeout(opened.idle);
        if (this.#sockets.get(url) === opened) this.#sockets.delete(url);
      };
      entry.socket.then((socket) => socket.closed.then(forget), forget);
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
