import type { Hex } from '../codec/index.ts';
import { Connection } from './connection.ts';
import { relayKey } from './relay-url.ts';
import { dialOf, type Dial, type RelayWay } from './relay-way.ts';
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
    return this.#get(dialOf({ url: base }));
  }

  /** As {@link get}, of any way. */
  at(way: RelayWay): Connection {
    return this.#get(dialOf(way));
  }

  /** A connection on which no other identity is proven: the shared one where it is free, so that sending shares it. */
  forIdentity(way: RelayWay, identity: Hex): Connection {
    const dial = dialOf(way);
    const shared = this.#get(dial);
    if (shared.claim(identity)) return shared;
    return this.#ownOf(dial, identity, () => true);
  }

  /** As {@link forIdentity}, where no other receiver reads. */
  forReceiver(base: string, identity: Hex): Connection {
    const isFree = (connection: Connection): boolean => !this.#held.has(connection);
    const shared = this.get(base);
    if (isFree(shared) && shared.claim(identity)) return shared;
    return this.#ownOf(dialOf({ url: base }), identity, isFree);
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

  #get(dial: Dial): Connection {
    return this.#connections.get(dial.key) ?? this.#open(dial.key, dial);
  }

  #open(key: string, dial: Dial): Connection {
    const { genesisHash, transport, timeoutMs } = this.#options;
    this.#makeRoom();
    const connection = new Connection({ dial, genesisHash, transport, timeoutMs });
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

  #ownOf(dial: Dial, identity: Hex, isFree: (connection: Connection) => boolean): Connection {
    const key = `${dial.key} ${identity}`;
    const own = this.#connections.get(key);
    const connection = own !== undefined && isFree(own) ? own : this.#open(key, dial);
    connection.claim(identity);
    return connection;
  }
}
