import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { WebSocket } from '@fastify/websocket';
import type { FastifyInstance } from 'fastify';
import { RelayError } from '../errors/index.ts';
import { BodyBudget } from './body-budget.ts';
import { addressKey } from './token-buckets.ts';
import { WsSession, type SessionParts } from './ws-session.ts';

export type SessionsParts = Omit<SessionParts, 'budget' | 'loggedIn' | 'closed'>;

const goingAway = 1001;
const tryAgainLater = 1013;
// For a close frame to arrive, of a connection that nobody counts.
const turnAwayMs = 1_000;

/** All WebSockets of a relay. */
export class Sessions {
  readonly #parts: SessionParts;
  readonly #all = new Set<WsSession>();
  readonly #readers = new Set<WsSession>();
  readonly #perAddress = new Map<string, number>();
  /** From the first connection on: a relay that never listened leaves nothing behind. */
  #pinger: ReturnType<typeof setInterval> | undefined;
  #closed = false;

  constructor(parts: SessionsParts) {
    this.#parts = {
      ...parts,
      budget: new BodyBudget(parts.limits.maxPendingBytes, 2 * parts.limits.maxMessageBytes),
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
    const responses = new WeakMap<IncomingMessage, ServerResponse>();
    server.route({
      method: 'GET',
      url: '/v1/ws',
      handler: (_, reply) => {
        reply.header('upgrade', 'websocket');
        throw new RelayError('upgrade-required', { details: { path: '/v1/ws' } });
      },
      preHandler: (request, reply, done) => {
        responses.set(request.raw, reply.raw);
        done();
      },
      wsHandler: (socket, { ip, raw }) => {
        // Or request and response would stay in memory for as long as the connection does.
        responses.get(raw)?.detachSocket(raw.socket);
        this.#add(socket, raw.socket, ip);
      },
    });
  }

  #add(socket: WebSocket, stream: Duplex, address: string): void {
    if (this.#closed) {
      turnAway(socket, goingAway, 'the relay stops');
      return;
    }
    const key = addressKey(address);
    const open = this.#perAddress.get(key) ?? 0;
    if (open >= this.#parts.limits.maxConnectionsPerAddress) {
      this.#parts.metrics.count('connections_closed_total', 'too-many');
      turnAway(socket, tryAgainLater, 'too many connections');
      return;
    }
    this.#pinger ??= this.#ping();
    this.#perAddress.set(key, open + 1);
    this.#all.add(new WsSession(socket, stream, address, this.#parts));
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
    const key = addressKey(session.address);
    const open = (this.#perAddress.get(key) ?? 1) - 1;
    if (open === 0) this.#perAddress.delete(key);
    else this.#perAddress.set(key, open);
    this.#readers.delete(session);
  }
}

function turnAway(socket: WebSocket, code: number, reason: string): void {
  socket.close(code, reason);
  const timer = setTimeout(() => {
    socket.terminate();
  }, turnAwayMs);
  socket.once('close', () => {
    clearTimeout(timer);
  });
}
