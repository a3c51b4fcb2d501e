import type { Duplex } from 'node:stream';
import type { WebSocket } from '@fastify/websocket';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { toHex, toBytes, type Hex } from '../codec/index.ts';
import { RelayError } from '../errors/index.ts';
import type { BodyBudget } from './body-budget.ts';
import { mayFollow, type EndpointPolicy } from './endpoint-policy.ts';
import { newestFrames } from './frames.ts';
import type { RelayLimits } from './limits.ts';
import type { Metrics } from './metrics.ts';
import type { NodeTransport } from './node-transport.ts';
import { isRelayUrl, relayKey, routeUrl } from './relay-url.ts';
import type { ResolvedNames } from './resolved-names.ts';
import type { Router } from './route.ts';
import { TunnelHosts, type TunnelEnds } from './tunnel-hosts.ts';
import { Tunnel } from './tunnel.ts';
import { addressKey } from './token-buckets.ts';
import { WaitPlaces } from './wait-places.ts';
import { turnAway, type WsPlaces } from './ws-places.ts';
import { addWsRoute } from './ws-route.ts';

export interface TunnelsParts extends EndpointPolicy {
  readonly router: Router;
  readonly transport: Pick<NodeTransport, 'connect'>;
  /** What `transport` dials names by. */
  readonly names: ResolvedNames;
  readonly limits: RelayLimits;
  readonly places: WsPlaces;
  readonly budget: BodyBudget;
  readonly unread: BodyBudget;
  readonly charge: (key: string, units: number) => number;
  readonly metrics: Metrics;
  readonly clock: () => number;
}

const goingAway = 1001;
const tryAgainLater = 1013;

/**
 * /v1/tunnel: who sent a message that this relay forwards, and can't reach the relays of its recipient, waits there for the
 * answer all the same. It proves itself to the other relay, as if it had dialled it; this one only joins the two sockets. Dialled
 * is what the chain names for a recipient, and what forwarding would dial.
 */
export class Tunnels {
  readonly #parts: TunnelsParts;
  readonly #all = new Set<Tunnel>();
  /** Those that are open, and those whose endpoint's name is asked for. */
  readonly #places: WaitPlaces;
  readonly #hosts: TunnelHosts;
  #pinger: ReturnType<typeof setInterval> | undefined;
  #isClosed = false;

  constructor(parts: TunnelsParts) {
    this.#parts = parts;
    this.#places = new WaitPlaces(parts.limits.maxTunnels, 'tunnels');
    this.#hosts = new TunnelHosts(parts.clock);
  }

  get count(): number {
    return this.#all.size;
  }

  addRoute(server: FastifyInstance): void {
    addWsRoute(server, {
      path: '/v1/tunnel',
      admit: async (request) => {
        const endpoint = this.#endpointOf(request);
        await this.#learn(endpoint, request.ip);
        return endpoint;
      },
      accept: (socket, stream, address, endpoint) => {
        this.#add(socket, stream, address, endpoint);
      },
    });
  }

  close(): void {
    this.#isClosed = true;
    clearInterval(this.#pinger);
    for (const tunnel of this.#all) tunnel.stop(goingAway);
  }

  /** As the chain writes it. Throws bad-request, recipient-not-served, recipient-unreachable. */
  #endpointOf({ query }: FastifyRequest): string {
    const { recipient, endpoint } = query as Readonly<Record<string, unknown>>;
    if (typeof recipient !== 'string' || typeof endpoint !== 'string' || !isRelayUrl(endpoint))
      throw new RelayError('bad-request', { details: { reason: 'it asks for no endpoint of a recipient' } });
    const to = toHex(toBytes(recipient as Hex, 'recipient', 32));
    const route = this.#parts.router(to);
    const wanted = relayKey(endpoint);
    const named =
      route.kind === 'forward'
        ? route.endpoints.find((known) => isRelayUrl(known) && relayKey(known) === wanted)
        : undefined;
    if (named !== undefined && mayFollow(named, this.#parts)) return named;
    const reason = named === undefined ? 'that is not one of its endpoints on chain' : 'that one is not followed';
    throw new RelayError('recipient-unreachable', { details: { recipient: to, reason } });
  }

  /**
   * A lookup takes a socket for as long as a server is silent: who waits for one is counted with the tunnels, and gives way as they do; the
   * lookup then ends by itself. Throws relay-busy.
   */
  async #learn(endpoint: string, address: string): Promise<void> {
    const { names } = this.#parts;
    if (names.networkOf(endpoint) !== undefined) return;
    await new Promise<void>((resolve, reject) => {
      const leave = this.#places.take(addressKey(address), reject);
      void names.learn(endpoint).finally(leave).then(resolve, reject);
    });
  }

  #add(socket: WebSocket, stream: Duplex, address: string, endpoint: string): void {
    const { limits, budget, unread, charge, transport, names, metrics } = this.#parts;
    if (this.#isClosed) {
      turnAway(socket, goingAway, 'the relay stops');
      return;
    }
    // As it is now: a place is given back under the same name.
    const ends = { near: addressKey(address), far: names.networkOf(endpoint) ?? '' };
    const giveBack = this.#takePlace(address, ends, () => {
      tunnel.evict();
    });
    if (giveBack === undefined) {
      metrics.count('connections_closed_total', 'too-many');
      turnAway(socket, tryAgainLater, 'too many connections');
      return;
    }
    this.#pinger ??= this.#ping();
    const tunnel = new Tunnel(socket, stream, address, {
      ...{ limits, budget, unread, chargeAnswers: charge },
      charge: (key, units) => this.#hosts.charge(ends, units, () => charge(key, units)),
      dial: (handlers, maxBytes) =>
        transport.connect(routeUrl(endpoint, 'ws', '/v1/ws'), handlers, `?frames=${newestFrames}`, maxBytes),
      ended: (reason) => {
        metrics.count('tunnels_total', reason);
      },
      // It holds its places for as long as it holds a socket, or until they are another's.
      gone: (gone) => {
        this.#all.delete(gone);
        giveBack();
      },
    });
    this.#all.add(tunnel);
    tunnel.start();
  }

  /** Gives how it is given back; undefined: there is none. `evicted` is called when it is for who has fewer. */
  #takePlace(address: string, ends: TunnelEnds, evicted: () => void): (() => void) | undefined {
    const { places: sockets } = this.#parts;
    // Nobody gives way to who gets no place in the end.
    if (!this.#places.hasRoom(ends.near) || !sockets.take(address)) return undefined;
    const leave: (() => void)[] = [];
    const evict = (): void => {
      for (const each of leave) each();
      evicted();
    };
    const leaveHost = this.#hosts.take(ends, evict);
    if (leaveHost === undefined) {
      sockets.giveBack(address);
      return undefined;
    }
    leave.push(leaveHost, this.#places.take(ends.near, evict));
    return () => {
      for (const each of leave) each();
      // The WebSocket itself counts until it is closed.
      sockets.giveBack(address);
    };
  }

  #ping(): ReturnType<typeof setInterval> {
    const pinger = setInterval(() => {
      for (const tunnel of this.#all) tunnel.checkAlive();
    }, this.#parts.limits.pingIntervalMs);
    return pinger.unref();
  }
}
