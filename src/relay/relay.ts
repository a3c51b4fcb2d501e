import type { FastifyInstance } from 'fastify';
import type { Server as HttpServer } from 'node:http';
import { Server as HttpsServer } from 'node:https';
import { pino, type Logger } from 'pino';
import { createVerifier, ready as cryptoReady, verify, type Verifier } from '../crypto/index.ts';
import { asRelayError, RelayError } from '../errors/index.ts';
import { createGate, createKnown } from './access.ts';
import { BodyBudget } from './body-budget.ts';
import { FailureLog } from './failure-log.ts';
import { createForwarder, type Forwarder } from './forward.ts';
import { DeliveryWatch } from './delivery-watch.ts';
import type { EndpointPolicy } from './endpoint-policy.ts';
import { createFastify, secureOptions } from './http-server.ts';
import { createIngest, type Ingest } from './ingest.ts';
import { checkAges, resolveLimits, type RelayLimits } from './limits.ts';
import { Metrics, type GaugeName } from './metrics.ts';
import { listenForMetrics, urlOf } from './metrics-server.ts';
import { createNodeTransport, type NodeTransport } from './node-transport.ts';
import { OpenSockets } from './open-sockets.ts';
import { createOwnAddresses } from './own-addresses.ts';
import { checkPublicUrls, originsOf, ownUrlsOf } from './own-urls.ts';
import { Pipeline, type Receipt } from './pipeline.ts';
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

/** A running relay. */
export interface Relay extends AsyncDisposable {
  /** Base URL of the address it listens on. Throws relay-not-started before start(). */
  readonly url: string;
  /** Base URL of where /metrics is. Throws relay-not-started before start(). */
  readonly metricsUrl: string;
  /** Resolves when it takes messages. Idempotent. Throws listen-failed. */
  start(): Promise<void>;
  /** Connections from now on get this certificate. Throws tls-failed, relay-not-started. */
  renewTls(tls: NonNullable<RelayOptions['tls']>): void;
  /** Answers what is in flight, flushes and closes all connections. Idempotent; it may be started again. */
  stop(): Promise<void>;
  /**
   * Keeps an answer of the local entity (SCALE of a SignedEnvelope) for the key that it is sealed to; resolves when it is
   * durable. Throws relay-not-started, signer-mismatch, bad-signature, mailbox-full and what the codec throws.
   */
  postReply(signedEnvelope: Uint8Array): Promise<Receipt>;
}

interface Running {
  readonly url: string;
  readonly server: FastifyInstance;
  readonly sockets: OpenSockets;
  readonly metricsServer: HttpServer | undefined;
  readonly sessions: Sessions;
  readonly tunnels: Tunnels | undefined;
  readonly pipeline: Pipeline;
  readonly forwarding: Forwarding | undefined;
}

/** What all WebSockets of a relay share. */
interface SharedBySockets {
  readonly places: WsPlaces;
  readonly budget: BodyBudget;
  readonly unread: BodyBudget;
}

interface Forwarding {
  readonly forwarder: Forwarder;
  readonly transport: NodeTransport;
  readonly names: ResolvedNames;
}

const defaultListen = { host: '127.0.0.1', port: 8710 };
const closeWaitMs = 2_000;

/** Makes a relay; start() opens its socket. Throws bad-setting for limits that do not fit each other, or the stores. */
export function createRelay(options: RelayOptions): Relay {
  return new FastifyRelay(options);
}

class FastifyRelay implements Relay {
  readonly #options: RelayOptions;
  readonly #limits: RelayLimits;
  readonly #logger: Logger;
  readonly #metrics: Metrics;
  readonly #failures: FailureLog;
  readonly #ingest: Ingest;
  readonly #verify: VerifyOptions;
  readonly #clock: () => number;
  /** Of what the chain names. */
  readonly #policy: EndpointPolicy;
  #ownUrls: readonly string[] = [];
  #origins: ReadonlySet<string> = new Set();
  #running: Running | undefined;
  #changing: Promise<void> = Promise.resolve();
  #stopping = false;
  #verifier: Verifier | undefined;

  /** With what else came meanwhile; one by one before the relay was started. */
  readonly #verifyTogether: VerifySignature = (publicKey, message, signature, lane) =>
    this.#verifier?.verify({ publicKey, message, signature, lane }) ?? verify(publicKey, message, signature);

  constructor(options: RelayOptions) {
    const { genesisHash, clock = Date.now } = options;
    const { verifySignature = this.#verifyTogether } = options;
    this.#options = options;
    this.#limits = resolveLimits(options.limits);
    checkPublicUrls(options.publicUrls ?? []);
    const stores = [options.mailStore, ...(options.forwardStore === undefined ? [] : [options.forwardStore])];
    for (const store of stores) checkAges(this.#limits, store);
    this.#metrics = new Metrics({ maxAgeMs: this.#limits.metricsAgeMs });
    this.#logger = options.logger ?? pino({ enabled: false });
    this.#failures = new FailureLog(this.#logger);
    this.#clock = clock;
    this.#policy = { allowPrivate: options.allowPrivate ?? false, isOwnAddress: createOwnAddresses() };
    const dedupeMs = Math.min(...stores.map((store) => store.dedupeMs));
    this.#verify = { verifySignature, limits: this.#limits, dedupeMs, clock };
    const { maxMessageBytes } = this.#limits;
    this.#ingest = createIngest({ genesisHash, maxMessageBytes });
    this.#addGauges();
  }

  get url(): string {
    if (this.#running === undefined) throw new RelayError('relay-not-started');
    return this.#running.url;
  }

  get metricsUrl(): string {
    const { metricsServer } = this.#running ?? {};
    return metricsServer === undefined ? this.url : urlOf(metricsServer);
  }

  start(): Promise<void> {
    return this.#change(async () => {
      this.#running ??= await this.#open().catch(async (error: unknown) => {
        await this.#verifier?.close();
        throw error;
      });
    });
  }

  stop(): Promise<void> {
    return this.#change(async () => {
      if (this.#running !== undefined) await this.#close(this.#running);
      this.#running = undefined;
    });
  }

  renewTls(tls: NonNullable<RelayOptions['tls']>): void {
    if (this.#running === undefined) throw new RelayError('relay-not-started');
    const { server } = this.#running.server;
    if (!(server instanceof HttpsServer))
      throw new RelayError('tls-failed', { details: { reason: 'the relay speaks plain HTTP' } });
    server.setSecureContext(secureOptions(tls));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async postReply(signedEnvelope: Uint8Array): Promise<Receipt> {
    const from = this.#options.local?.identity;
    if (this.#running === undefined || from === undefined) throw new RelayError('relay-not-started');
    return this.#running.pipeline.submitReply(new Uint8Array(signedEnvelope), { from });
  }

  // start and stop take turns.
  #change(step: () => Promise<void>): Promise<void> {
    this.#changing = this.#changing.then(step, step);
    return this.#changing;
  }

  async #open(): Promise<Running> {
    await cryptoReady();
    this.#ownUrls = [];
    const { verifySignature, verifyThreads: threads = 0 } = this.#options;
    if (verifySignature === undefined) this.#verifier = await createVerifier({ threads });
    const router = this.#createRouter();
    const forwarding = this.#createForwarding(router);
    const pipeline = this.#createPipeline(router, forwarding?.forwarder);
    const places = new WsPlaces(this.#limits.maxConnectionsPerAddress);
    const budget = new BodyBudget(this.#limits.maxPendingBytes, 2 * this.#limits.maxMessageBytes);
    const unread = new BodyBudget(this.#limits.maxUnreadBytes, 2 * this.#limits.maxBufferedBytes, 'unread bytes');
    const shared = { places, budget, unread };
    const sessions = this.#createSessions(pipeline, shared);
    const tunnels = this.#createTunnels(router, pipeline, forwarding, shared);
    const server = await this.#createServer(pipeline, sessions, tunnels);
    const sockets = new OpenSockets(server.server);
    this.#stopping = false;
    const url = await this.#listen(server);
    this.#ownUrls = ownUrlsOf(this.#options.publicUrls ?? [], url);
    this.#origins = originsOf(this.#ownUrls);
    let metricsServer: HttpServer | undefined;
    try {
      metricsServer = await this.#listenForMetrics();
      await forwarding?.forwarder.start();
    } catch (error) {
      await this.#close({ url, server, sockets, metricsServer, sessions, tunnels, pipeline, forwarding });
      throw error;
    }
    this.#logger.info({ url, publicUrls: this.#ownUrls }, 'relay listens');
    return { url, server, sockets, metricsServer, sessions, tunnels, pipeline, forwarding };
  }

  async #listenForMetrics(): Promise<HttpServer | undefined> {
    const { metricsListen } = this.#options;
    if (metricsListen === undefined) return undefined;
    return listenForMetrics(this.#metrics, { host: defaultListen.host, ...metricsListen });
  }

  #createRouter(): Router {
    const { local, recipients, workerState, forwardStore } = this.#options;
    return createRouter({
      local: local?.identity,
      recipients: new Set(recipients ?? []),
      workerState,
      ownUrls: () => this.#ownUrls,
      canForward: forwardStore !== undefined,
    });
  }

  #createForwarding(router: Router): Forwarding | undefined {
    const { forwardStore, forwardBackoff, forwardQuota, mailStore } = this.#options;
    if (forwardStore === undefined) return undefined;
    const names = new ResolvedNames(createNameResolver({ askSystem: this.#policy.allowPrivate === true }));
    const transport = createNodeTransport({ ...this.#policy, resolve: names.resolve });
    const [metrics, logger] = [this.#metrics, this.#logger];
    const forwarder = createForwarder({
      store: forwardStore,
      ...{ mailStore, router, transport, names, metrics, logger, ...this.#policy },
      maxQueues: this.#limits.maxForwardQueues,
      maxAgeMs: this.#limits.maxForwardAgeMs,
      clock: this.#clock,
      ...(forwardBackoff !== undefined && { backoff: forwardBackoff }),
      ...(forwardQuota !== undefined && { quota: forwardQuota }),
    });
    return { forwarder, transport, names };
  }

  #createPipeline(router: Router, forward: Forwarder | undefined): Pipeline {
    const { genesisHash, mailStore, local, access = {}, workerState, forwardFor } = this.#options;
    return new Pipeline({
      ...{ genesisHash, mailStore, router, local, forward },
      ingest: this.#ingest,
      gate: createGate(access, workerState),
      isKnown: createKnown(this.#options),
      forwardGate: createGate({ registeredOnly: forwardFor === 'registered' }, workerState),
      verify: this.#verify,
      limits: this.#limits,
      metrics: this.#metrics,
      clock: this.#clock,
    });
  }

  #createSessions(pipeline: Pipeline, shared: SharedBySockets): Sessions {
    const { genesisHash, mailStore, local, random = randomBytes } = this.#options;
    return new Sessions({
      ...{ genesisHash, pipeline, mailStore, random, ...shared },
      identity: local?.identity,
      awaited: new WaitPlaces(this.#limits.maxAwaitedInAll, 'awaited replies'),
      deliveries: new DeliveryWatch({
        mailStore,
        isDeliveredHere: (message) => pipeline.isDeliveredHere(message),
        most: this.#limits.maxAwaitedDeliveries,
      }),
      login: { ...this.#verify, genesisHash, isOwnOrigin: (origin) => this.#origins.has(origin) },
      limits: this.#limits,
      metrics: this.#metrics,
      logger: this.#logger,
      failures: this.#failures,
    });
  }

  /** Where only registered senders are forwarded for, who asks for a tunnel would have to say who it is. */
  #createTunnels(
    router: Router,
    pipeline: Pipeline,
    forwarding: Forwarding | undefined,
    shared: SharedBySockets,
  ): Tunnels | undefined {
    const { forwardFor } = this.#options;
    if (forwarding === undefined || forwardFor === 'registered') return undefined;
    return new Tunnels({
      ...{
        router,
        ...this.#policy,
        transport: forwarding.transport,
        names: forwarding.names,
        limits: this.#limits,
        metrics: this.#metrics,
      },
      ...shared,
      clock: this.#clock,
      charge: pipeline.charge.bind(pipeline),
    });
  }

  async #createServer(pipeline: Pipeline, sessions: Sessions, tunnels: Tunnels | undefined): Promise<FastifyInstance> {
    const { genesisHash, mailStore, forwardStore, local, tls, trustProxy, workerState } = this.#options;
    const [limits, metrics, logger, failures] = [this.#limits, this.#metrics, this.#logger, this.#failures];
    // As fastify is: with their schemas they are loaded by who serves.
    const [{ addMessagesRoutes }, { addInfoRoutes }] = await Promise.all([
      import('./messages-route.ts'),
      import('./info-routes.ts'),
    ]);
    const server = await createFastify({
      ...{ limits, logger, failures, tls, trustProxy },
      clock: this.#clock,
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
      ...{ genesisHash, limits },
      metrics: this.#options.metricsListen === undefined ? metrics : undefined,
      readiness: new Readiness({ mailStore, forwardStore, logger, isRunning: () => !this.#stopping }),
      identity: local?.identity,
      publicUrls: () => this.#ownUrls,
      workerState,
    });
    return server;
  }

  async #listen(server: FastifyInstance): Promise<string> {
    const { host, port } = { ...defaultListen, ...this.#options.listen };
    try {
      await server.listen({ host, port });
    } catch (error) {
      await server.close();
      throw asRelayError(error, 'listen-failed', { address: `${host}:${port}` });
    }
    return urlOf(server.server, this.#options.tls === undefined ? 'http' : 'https');
  }

  async #close({ sessions, tunnels, pipeline, forwarding, server, sockets, metricsServer }: Running): Promise<void> {
    this.#stopping = true;
    // First the answers, then the connections: nothing that was taken goes unanswered.
    const drained = await pipeline.inFlight.close(this.#limits.drainMs);
    if (!drained) this.#logger.warn({ left: pipeline.inFlight.count }, 'stopped with messages in flight');
    tunnels?.close();
    await sessions.close(closeWaitMs);
    // A request that is still arriving would hold the server for as long as it likes.
    const timer = setTimeout(() => {
      sockets.destroyAll();
    }, closeWaitMs);
    await server.close();
    clearTimeout(timer);
    await closed(metricsServer);
    await forwarding?.forwarder.stop();
    await forwarding?.transport.close();
    await this.#verifier?.close();
    this.#verifier = undefined;
    this.#failures.close();
    this.#logger.info('relay stopped');
  }

  #addGauges(): void {
    const { mailStore, forwardStore, workerState } = this.#options;
    const gauges: Readonly<Record<GaugeName, () => number | Promise<number>>> = {
      connections: () => this.#running?.sessions.count ?? 0,
      tunnels: () => this.#running?.tunnels?.count ?? 0,
      logged_in: () => this.#running?.sessions.readers ?? 0,
      in_flight: () => this.#running?.pipeline.inFlight.count ?? 0,
      mailboxes: async () => (await mailStore.totals()).recipients,
      reply_boxes: async () => (await mailStore.totals()).replyBoxes,
      mailbox_messages: async () => (await mailStore.totals()).count,
      mailbox_bytes: async () => (await mailStore.totals()).bytes,
      worker_state_age_seconds: () => (workerState?.ageMs?.() ?? 0) / 1_000,
      forward_queue: async () => (await forwardStore?.totals())?.count ?? 0,
    };
    for (const [name, read] of Object.entries(gauges)) this.#metrics.gauge(name as GaugeName, read);
  }
}

function closed(server: HttpServer | undefined): Promise<void> {
  return new Promise((resolve) => {
    if (server === undefined) {
      resolve();
      return;
    }
    server.close(() => {
      resolve();
    });
    server.closeAllConnections();
  });
}

function randomBytes(length: number): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(length));
}
