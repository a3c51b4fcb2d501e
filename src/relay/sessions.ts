import type { Duplex } from 'node:stream';
import type { WebSocket } from '@fastify/websocket';
import type { FastifyInstance } from 'fastify';
import { newestFrames, type FrameVersion } from './frames.ts';
import { turnAway, type WsPlaces } from './ws-places.ts';
import { addWsRoute } from './ws-route.ts';
import { WsSession, type SessionParts } from './ws-session.ts';

export interface SessionsParts extends Omit<SessionParts, 'loggedIn' | 'closed'> {
  readonly places: WsPlaces;
}

const goingAway = 1001;
const tryAgainLater = 1013;

/** All WebSockets of a relay. */
export class Sessions {
  readonly #parts: SessionParts;
  readonly #places: WsPlaces;
  readonly #all = new Set<WsSession>();
  readonly #readers = new Set<WsSession>();
  /** From the first connection on: a relay that never listened leaves nothing behind. */
  #pinger: ReturnType<typeof setInterval> | undefined;
  #closed = false;

  constructor({ places, ...parts }: SessionsParts) {
    this.#places = places;
    this.#parts = {
      ...parts,
      loggedIn: (session) => {
        this.#readers.add(session);
      },
      closed: (session) => {
        this.#forget(session);
      },
    };
  }

  get count(): number {
    return this.#all.size;
  }

  get readers(): number {
    return this.#readers.size;
  }

  addRoute(server: FastifyInstance): void {
    addWsRoute(server, {
      path: '/v1/ws',
      // Of one that is newer than this relay: what both know.
      admit: ({ query }) =>
        Number((query as { readonly frames?: unknown }).frames) >= newestFrames ? newestFrames : 1,
      accept: (socket, stream, address, version) => {
        this.#add(socket, stream, address, version);
      },
    });
  }

  #add(socket: WebSocket, stream: Duplex, address: string, version: FrameVersion): void {
    if (this.#closed) {
      turnAway(socket, goingAway, 'the relay stops');
      return;
    }
    if (!this.#places.take(address)) {
      this.#parts.metrics.count('connections_closed_total', 'too-many');
      turnAway(socket, tryAgainLater, 'too many connections');
      return;
    }
    this.#pinger ??= this.#ping();
    this.#all.add(new WsSession(socket, stream, address, version, this.#parts));
  }

  /** Flushes and closes all. */
  async close(waitMs: number): Promise<void> {
    this.#closed = true;
    clearInterval(this.#pinger);
    await Promise.all([...this.#all].map((session) => session.close(waitMs)));
  }

  #ping(): ReturnType<typeof setInterval> {
    const pinger = setInterval(() => {
      for (const session of this.#all) session.checkAlive();
    }, this.#parts.limits.pingIntervalMs);
    return pinger.unref();
  }

  #forget(session: WsSession): void {
    if (!this.#all.delete(session)) return;
    this.#places.giveBack(session.address);
    this.#readers.delete(session);
  }
}
