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
import { addWsRoute } from './ws-route.ts';
import { turnAway, type WsPlaces } from './ws-places.ts';
import { addressKey } from './token-buckets.ts';

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
// One address can't keep the others out.
const sharePerAddress = 1 / 8;

/**
 * /v1/tunnel: who sent a message that this relay forwards, and can't reach the relays of its recipient, waits there for the
 * answer all the same. It proves itself to the other relay, as if it had dialled it; this one only joins the two sockets. Dialled
 * is what the chain names for a recipient, and what forwarding would dial.
 */
export class Tunnels {
  readonly #parts: TunnelsParts;
  readonly #all = new Set<Tunnel>();
  readonly #perAddress = new Map<string, number>();
  /** Those whose endpoint's name is asked for, by address. */
  readonly #asking = new Map<string, number>();
  readonly #hosts: TunnelHosts;
  #pinger: ReturnType<typeof setInterval> | undefined;
  #isClosed = false;

  constructor(parts: TunnelsParts) {
    this.#parts = parts;
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

  /** A lookup takes a socket for as long as a server is silent: who waits for one is counted with the tunnels. Throws relay-busy. */
  async #learn(endpoint: string, address: string): Promise<void> {
    const { names } = this.#parts;
    if (names.networkOf(endpoint) !== undefined) return;
    const key = addressKey(address);
    if (!this.#hasRoom(key))
      throw new RelayError('relay-busy', { details: { what: 'tunnels that it opens at a time' } });
    count(this.#asking, key, 1);
    try {
      await names.learn(endpoint);
    } finally {
      count(this.#asking, key, -1);
    }
  }

  #hasRoom(key: string): boolean {
    const { maxTunnels } = this.#parts.limits;
    const asking = [...this.#asking.values()].reduce((sum, each) => sum + each, 0);
    const own = (this.#perAddress.get(key) ?? 0) + (this.#asking.get(key) ?? 0);
    return this.#all.size + asking < maxTunnels && own < Math.ceil(maxTunnels * sharePerAddress);
  }

  #add(socket: WebSocket, stream: Duplex, address: string, endpoint: string): void {
    const { limits, budget, unread, charge, transport, names, metrics } = this.#parts;
    if (this.#isClosed) {
      turnAway(socket, goingAway, 'the relay stops');
      return;
    }
    // As it is now: a place is given back under the same name.
    const ends = { near: addressKey(address), far: names.networkOf(endpoint) ?? '' };
    if (!this.#takePlace(address, ends)) {
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
      // It holds its places for as long as it holds a socket.
      gone: (gone) => {
        this.#all.delete(gone);
        this.#giveBackPlace(address, ends);
      },
    });
    this.#all.add(tunnel);
    tunnel.start();
  }

  #giveBackPlace(address: string, ends: TunnelEnds): void {
    this.#parts.places.giveBack(address);
    this.#hosts.giveBack(ends);
    count(this.#perAddress, ends.near, -1);
  }

  #takePlace(address: string, ends: TunnelEnds): boolean {
    const { places } = this.#parts;
    if (!this.#hasRoom(ends.near) || !places.take(address)) return false;
    if (!this.#hosts.take(ends)) {
      places.giveBack(address);
      return false;
    }
    count(this.#perAddress, ends.near, 1);
    return true;
  }

  #ping(): ReturnType<typeof setInterval> {
    const pinger = setInterval(() => {
      for (const tunnel of this.#all) tunnel.checkAlive();
    }, this.#parts.limits.pingIntervalMs);
    return pinger.unref();
  }
}

function count(counts: Map<string, number>, of: string, change: 1 | -1): void {
  const now = (counts.get(of) ?? 0) + change;
  if (now === 0) counts.delete(of);
  else counts.set(of, now);
}
