import type { Hex } from '../codec/index.ts';
import { Connection } from './connection.ts';
import { relayKey, routeUrl } from './relay-url.ts';
import type { Transport } from './transport.ts';

export interface PoolOptions {
  readonly genesisHash: Hex;
  readonly transport: Transport;
  /** ms. */
  readonly timeoutMs: number;
  /** An unused connection is closed after this, ms. */
  readonly idleMs: number;
  /** Most connections; past that those unused longest are closed. Those in use stay. */
  readonly maxConnections: number;
}

/** One connection per relay, shared by sending and receiving. */
export class ConnectionPool {
  readonly #options: PoolOptions;
  readonly #connections = new Map<string, Connection>();
  readonly #held = new Set<Connection>();
  readonly #sweeper: ReturnType<typeof setInterval>;

  constructor(options: PoolOptions) {
    this.#options = options;
    this.#sweeper = setInterval(() => {
      this.#closeIdle();
    }, options.idleMs / 2);
  }

  /** The open connection to a relay, where there is one. */
  existing(base: string): Connection | undefined {
    return this.#connections.get(relayKey(base));
  }

  /** An open connection, or a new one that is about to be. */
  get(base: string): Connection {
    const key = relayKey(base);
    return this.#connections.get(key) ?? this.#open(key, base);
  }

  /** A connection on which no other identity is proven: the shared one where it is free, so that sending shares it. */
  forIdentity(base: string, identity: Hex): Connection {
    const shared = this.get(base);
    if (shared.claim(identity)) return shared;
    return this.#ownOf(base, identity, () => true);
  }

  /** As {@link forIdentity}, where no other receiver reads. */
  forReceiver(base: string, identity: Hex): Connection {
    const isFree = (connection: Connection): boolean => !this.#held.has(connection);
    const shared = this.get(base);
    if (isFree(shared) && shared.claim(identity)) return shared;
    return this.#ownOf(base, identity, isFree);
  }

  /** Gives a connection to one receiver, until the returned function is called. */
  hold(connection: Connection): () => void {
    this.#held.add(connection);
    return () => {
      this.#held.delete(connection);
    };
  }

  close(): void {
    clearInterval(this.#sweeper);
    for (const connection of this.#connections.values()) connection.close();
  }

  #open(key: string, base: string): Connection {
    const { genesisHash, transport, timeoutMs } = this.#options;
    this.#makeRoom();
    const connection = new Connection({ url: routeUrl(base, 'ws', '/v1/ws'), genesisHash, transport, timeoutMs });
    this.#connections.set(key, connection);
    void connection.ended.then(() => {
      this.#held.delete(connection);
      if (this.#connections.get(key) === connection) this.#connections.delete(key);
    });
    return connection;
  }

  #makeRoom(): void {
    const open = [...this.#connections.values()].filter(({ isOpen }) => isOpen);
    const tooMany = open.length + 1 - this.#options.maxConnections;
    if (tooMany <= 0) return;
    const unused = open.filter((connection) => connection.pending === 0 && !this.#held.has(connection));
    for (const oldest of unused.sort((a, b) => a.usedAt - b.usedAt).slice(0, tooMany)) oldest.close();
  }

  #closeIdle(): void {
    const before = Date.now() - this.#options.idleMs;
    for (const connection of this.#connections.values())
      if (connection.pending > 0 || this.#held.has(connection)) void connection.probe();
      else if (connection.usedAt < before) connection.close();
  }

  #ownOf(base: string, identity: Hex, isFree: (connection: Connection) => boolean): Connection {
    const key = `${relayKey(base)} ${identity}`;
    const own = this.#connections.get(key);
    const connection = own !== undefined && isFree(own) ? own : this.#open(key, base);
    connection.claim(identity);
    return connection;
  }
}
