import type { FastifyInstance } from 'fastify';
import type { Server as HttpServer } from 'node:http';
import { Server as HttpsServer } from 'node:https';
import { createVerifier, ready as cryptoReady, verify, type Verifier } from '../crypto/index.ts';
import { asRelayError, RelayError } from '../errors/index.ts';
import { secureOptions } from './http-server.ts';
import type { GaugeName } from './metrics.ts';
import { listenForMetrics, urlOf } from './metrics-server.ts';
import { OpenSockets } from './open-sockets.ts';
import { checkPublicUrls, originsOf, ownUrlsOf } from './own-urls.ts';
import type { Receipt } from './pipeline.ts';
import { assembleRelay, createBasis, type RelayBasis, type RelayParts } from './relay-assembly.ts';
import type { RelayOptions, VerifySignature } from './relay-options.ts';

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

/** What is there while it runs. */
interface Running extends RelayParts {
  readonly url: string;
  readonly sockets: OpenSockets;
  readonly metricsServer: HttpServer | undefined;
}

const defaultListen = { host: '127.0.0.1', port: 8710 };
const closeWaitMs = 2_000;

/** Makes a relay; start() opens its socket. Throws bad-setting for limits that do not fit each other, or the stores. */
export function createRelay(options: RelayOptions): Relay {
  return new FastifyRelay(options);
}

class FastifyRelay implements Relay {
  readonly #options: RelayOptions;
  readonly #basis: RelayBasis;
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
    this.#options = options;
    checkPublicUrls(options.publicUrls ?? []);
    this.#basis = createBasis(options, options.verifySignature ?? this.#verifyTogether);
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
    const parts = await assembleRelay(this.#basis, {
      ownUrls: () => this.#ownUrls,
      isOwnOrigin: (origin) => this.#origins.has(origin),
      isRunning: () => !this.#stopping,
    });
    const { server, forwarding } = parts;
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
      await this.#close({ ...parts, url, sockets, metricsServer });
      throw error;
    }
    this.#basis.logger.info({ url, publicUrls: this.#ownUrls }, 'relay listens');
    return { ...parts, url, sockets, metricsServer };
  }

  async #listenForMetrics(): Promise<HttpServer | undefined> {
    const { metricsListen } = this.#options;
    if (metricsListen === undefined) return undefined;
    return listenForMetrics(this.#basis.metrics, { host: defaultListen.host, ...metricsListen });
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
    const { limits, logger, failures } = this.#basis;
    this.#stopping = true;
    // First the answers, then the connections: nothing that was taken goes unanswered.
    const drained = await pipeline.inFlight.close(limits.drainMs);
    if (!drained) logger.warn({ left: pipeline.inFlight.count }, 'stopped with messages in flight');
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
    failures.close();
    logger.info('relay stopped');
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
    for (const [name, read] of Object.entries(gauges)) this.#basis.metrics.gauge(name as GaugeName, read);
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
