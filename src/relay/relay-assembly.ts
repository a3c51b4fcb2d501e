import type { FastifyInstance } from 'fastify';
import { pino, type Logger } from 'pino';
import { checkQuota } from '../store/mail-quota.ts';
import { createGate, createKnown } from './access.ts';
import { checkBackoff } from './backoff.ts';
import { BodyBudget } from './body-budget.ts';
import { DeliveryWatch } from './delivery-watch.ts';
import type { EndpointPolicy } from './endpoint-policy.ts';
import { FailureLog } from './failure-log.ts';
import { createForwarder, type Forwarder } from './forward.ts';
import { createFastify } from './http-server.ts';
import { createIngest, type Ingest } from './ingest.ts';
import { checkAges, resolveLimits, type RelayLimits } from './limits.ts';
import { Metrics } from './metrics.ts';
import { createNodeTransport, type NodeTransport } from './node-transport.ts';
import { createOwnAddresses } from './own-addresses.ts';
import { Pipeline } from './pipeline.ts';
import { Readiness } from './readiness.ts';
import type { RelayOptions, VerifySignature } from './relay-options.ts';
import { ResolvedNames } from './resolved-names.ts';
import { createNameResolver } from './resolve-name.ts';
import { createRouter, type Router } from './route.ts';
import { Sessions } from './sessions.ts';
import { Tunnels } from './tunnels.ts';
import type { VerifyOptions } from './verify.ts';
import { WaitPlaces } from './wait-places.ts';
import { WsPlaces } from './ws-places.ts';

/** What a relay has however often it is started. */
export interface RelayBasis {
  readonly options: RelayOptions;
  readonly limits: RelayLimits;
  readonly metrics: Metrics;
  readonly logger: Logger;
  readonly failures: FailureLog;
  readonly ingest: Ingest;
  readonly verify: VerifyOptions;
  /** Of what the chain names. */
  readonly policy: EndpointPolicy;
}

/** How it is at the moment. */
export interface RelayState {
  readonly ownUrls: () => readonly string[];
  readonly isOwnOrigin: (origin: string) => boolean;
  /** False while it stops. */
  readonly isRunning: () => boolean;
}

/** What is made for one start, and ends with it. */
export interface RelayParts {
  readonly pipeline: Pipeline;
  readonly forwarding: Forwarding | undefined;
  readonly sessions: Sessions;
  readonly tunnels: Tunnels | undefined;
  readonly server: FastifyInstance;
}

interface Forwarding {
  readonly forwarder: Forwarder;
  readonly transport: NodeTransport;
  readonly names: ResolvedNames;
}

/** What all WebSockets of a relay share. */
interface SharedBySockets {
  readonly places: WsPlaces;
  readonly budget: BodyBudget;
  readonly unread: BodyBudget;
}

/** Throws bad-setting for limits that do not fit each other, or the stores; bad-value. */
export function createBasis(options: RelayOptions, verifySignature: VerifySignature): RelayBasis {
  const { genesisHash, mailStore, forwardStore, clock = Date.now, logger = pino({ enabled: false }) } = options;
  const limits = resolveLimits(options.limits);
  if (options.forwardBackoff !== undefined) checkBackoff(options.forwardBackoff);
  checkQuota(options.forwardQuota);
  const stores = [mailStore, ...(forwardStore === undefined ? [] : [forwardStore])];
  for (const store of stores) checkAges(limits, store);
  const dedupeMs = Math.min(...stores.map((store) => store.dedupeMs));
  return {
    ...{ options, limits, logger },
    metrics: new Metrics({ maxAgeMs: limits.metricsAgeMs }),
    failures: new FailureLog(logger),
    ingest: createIngest({ genesisHash, maxMessageBytes: limits.maxMessageBytes }),
    verify: { verifySignature, limits, dedupeMs, clock },
    policy: { allowPrivate: options.allowPrivate ?? false, isOwnAddress: createOwnAddresses() },
  };
}

/** All of them, joined; the server does not listen yet, nor is anything forwarded. */
export async function assembleRelay(basis: RelayBasis, state: RelayState): Promise<RelayParts> {
  const { limits } = basis;
  const router = routerOf(basis, state);
  const forwarding = forwardingOf(basis, router);
  const pipeline = pipelineOf(basis, router, forwarding?.forwarder);
  const shared = {
    places: new WsPlaces(limits.maxConnectionsPerAddress),
    budget: new BodyBudget(limits.maxPendingBytes, 2 * limits.maxMessageBytes),
    unread: new BodyBudget(limits.maxUnreadBytes, 2 * limits.maxBufferedBytes, 'unread bytes'),
  };
  const sessions = sessionsOf(basis, state, pipeline, shared);
  const tunnels = tunnelsOf(basis, router, pipeline, forwarding, shared);
  const server = await serverOf(basis, state, { pipeline, sessions, tunnels });
  return { pipeline, forwarding, sessions, tunnels, server };
}

function routerOf({ options }: RelayBasis, { ownUrls }: RelayState): Router {
  const { local, recipients, workerState, forwardStore } = options;
  return createRouter({
    local: local?.identity,
    recipients: new Set(recipients ?? []),
    workerState,
    ownUrls,
    canForward: forwardStore !== undefined,
  });
}

function forwardingOf(basis: RelayBasis, router: Router): Forwarding | undefined {
  const { limits, metrics, logger, policy, verify } = basis;
  const { forwardStore, forwardBackoff, forwardQuota, mailStore } = basis.options;
  if (forwardStore === undefined) return undefined;
  const names = new ResolvedNames(createNameResolver({ askSystem: policy.allowPrivate === true }));
  const transport = createNodeTransport({ ...policy, resolve: names.resolve });
  const forwarder = createForwarder({
    store: forwardStore,
    ...{ mailStore, router, transport, names, metrics, logger, ...policy },
    maxQueues: limits.maxForwardQueues,
    maxAgeMs: limits.maxForwardAgeMs,
    clock: verify.clock,
    ...(forwardBackoff !== undefined && { backoff: forwardBackoff }),
    ...(forwardQuota !== undefined && { quota: forwardQuota }),
  });
  return { forwarder, transport, names };
}

function pipelineOf(basis: RelayBasis, router: Router, forward: Forwarder | undefined): Pipeline {
  const { options, limits, ingest, metrics, verify } = basis;
  const { genesisHash, mailStore, local, access = {}, workerState, forwardFor } = options;
  return new Pipeline({
    ...{ genesisHash, mailStore, router, local, forward, ingest, limits, metrics, verify },
    gate: createGate(access, workerState),
    isKnown: createKnown(options),
    forwardGate: createGate({ registeredOnly: forwardFor === 'registered' }, workerState),
    clock: verify.clock,
  });
}

function sessionsOf(basis: RelayBasis, state: RelayState, pipeline: Pipeline, shared: SharedBySockets): Sessions {
  const { limits, metrics, logger, failures, verify } = basis;
  const { genesisHash, mailStore, local, random = randomBytes } = basis.options;
  return new Sessions({
    ...{ genesisHash, pipeline, mailStore, random, limits, metrics, logger, failures, ...shared },
    identity: local?.identity,
    awaited: new WaitPlaces(limits.maxAwaitedInAll, 'awaited replies'),
    deliveries: new DeliveryWatch({
      mailStore,
      isDeliveredHere: (message) => pipeline.isDeliveredHere(message),
      most: limits.maxAwaitedDeliveries,
    }),
    login: { ...verify, genesisHash, isOwnOrigin: state.isOwnOrigin },
  });
}

/** Where only registered senders are forwarded for, who asks for a tunnel would have to say who it is. */
function tunnelsOf(
  basis: RelayBasis,
  router: Router,
  pipeline: Pipeline,
  forwarding: Forwarding | undefined,
  shared: SharedBySockets,
): Tunnels | undefined {
  const { options, limits, metrics, policy, verify } = basis;
  if (forwarding === undefined || options.forwardFor === 'registered') return undefined;
  const { transport, names } = forwarding;
  return new Tunnels({
    ...{ router, transport, names, limits, metrics, ...policy, ...shared },
    clock: verify.clock,
    charge: pipeline.charge.bind(pipeline),
  });
}

async function serverOf(
  basis: RelayBasis,
  state: RelayState,
  { pipeline, sessions, tunnels }: Pick<RelayParts, 'pipeline' | 'sessions' | 'tunnels'>,
): Promise<FastifyInstance> {
  const { limits, metrics, logger, failures, verify } = basis;
  const { genesisHash, mailStore, forwardStore, local, tls, trustProxy, workerState, metricsListen } = basis.options;
  // As fastify is: with their schemas they are loaded by who serves.
  const [{ addMessagesRoutes }, { addInfoRoutes }] = await Promise.all([
    import('./messages-route.ts'),
    import('./info-routes.ts'),
  ]);
  const server = await createFastify({
    ...{ limits, logger, failures, tls, trustProxy },
    clock: verify.clock,
    charge: (address, units) => {
      pipeline.admit(address, units);
    },
    refused: (code) => {
      metrics.count('refused_total', code);
    },
    connectionEnded: (reason) => {
      metrics.count('connections_closed_total', reason);
    },
  });
  sessions.addRoute(server);
  tunnels?.addRoute(server);
  addMessagesRoutes(server, { pipeline, limits, metrics, failures });
  addInfoRoutes(server, {
    ...{ genesisHash, limits, workerState },
    metrics: metricsListen === undefined ? metrics : undefined,
    readiness: new Readiness({ mailStore, forwardStore, logger, isRunning: state.isRunning }),
    hasTunnels: tunnels !== undefined,
    identity: local?.identity,
    publicUrls: state.ownUrls,
  });
  return server;
}

function randomBytes(length: number): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(length));
}
