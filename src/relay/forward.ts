import type { Logger } from 'pino';
import { decodeForwarded, encodeForwarded, type Hex } from '../codec/index.ts';
import { isRelayError, RelayError } from '../errors/index.ts';
import type { Mail, MailStore } from '../store/mail-store.ts';
import type { Backoff } from './backoff.ts';
import { checkEndpoint, type EndpointPolicy } from './endpoint-policy.ts';
import type { Ingested } from './ingest.ts';
import { KeyedScheduler } from './keyed-scheduler.ts';
import type { Metrics } from './metrics.ts';
import type { ForwardQueue } from './pipeline.ts';
import { routeUrl } from './relay-url.ts';
import type { Router } from './route.ts';
import type { Transport } from './transport.ts';

export interface ForwarderOptions extends EndpointPolicy {
  /** The queue: a mailbox per recipient. */
  readonly store: MailStore;
  /** Where messages go that turn out to be ours by now. */
  readonly mailStore: MailStore;
  readonly router: Router;
  readonly transport: Transport;
  readonly metrics: Metrics;
  readonly logger: Logger;
  /** Recipients that are forwarded to at once. Default 16. */
  readonly concurrency?: number;
  /** Time for one attempt, ms. Default 10 000. */
  readonly attemptMs?: number;
  /** A message that waited longer is given up, ms. */
  readonly maxAgeMs: number;
  /** Unix time, ms. */
  readonly clock: () => number;
  /** Default 1 s to 5 min. */
  readonly backoff?: Backoff;
}

export interface Forwarder extends ForwardQueue {
  /** Takes up what an earlier run left, or another relay on the same store. Idempotent. */
  start(): Promise<void>;
  /** Ends attempts; what is queued stays. Idempotent. */
  stop(): Promise<void>;
}

type Outcome = 'forwarded' | 'refused' | 'expired' | 'failed';

const defaults = { concurrency: 16, attemptMs: 10_000, backoff: { firstMs: 1_000, mostMs: 300_000 } };
const pageCount = 32;
// What another relay on the same store left is found after this.
const lookEveryMs = 60_000;

/** Last stage for other relays' recipients: one recipient's messages in order, until a relay of its takes them. */
export function createForwarder(options: ForwarderOptions): Forwarder {
  return new StoredForwarder(options);
}

class StoredForwarder implements Forwarder {
  readonly #options: ForwarderOptions & typeof defaults;
  #scheduler: KeyedScheduler<Hex>;
  #stopped = new AbortController();
  #looking: ReturnType<typeof setInterval> | undefined;

  constructor(options: ForwarderOptions) {
    this.#options = { ...defaults, ...options };
    this.#scheduler = this.#schedule();
  }

  async add({ header, messageId, bytes }: Ingested, hops: number): Promise<boolean> {
    const { store } = this.#options;
    this.#checkReachable(header.to);
    const forwarded = encodeForwarded({ hops, signedEnvelope: bytes });
    const { duplicate } = await store.append(header.to, messageId, forwarded);
    if (!duplicate) this.#scheduler.wake(header.to);
    return !duplicate;
  }

  async start(): Promise<void> {
    if (this.#stopped.signal.aborted) {
      this.#stopped = new AbortController();
      this.#scheduler = this.#schedule();
    }
    await this.#look();
    this.#looking ??= setInterval(() => {
      this.#look().catch((error: unknown) => {
        this.#options.logger.error({ err: error }, 'the queue of forwarded messages can not be read');
      });
    }, lookEveryMs);
  }

  async stop(): Promise<void> {
    clearInterval(this.#looking);
    this.#looking = undefined;
    this.#stopped.abort();
    await this.#scheduler.stop();
  }

  async #look(): Promise<void> {
    for await (const recipient of this.#options.store.recipients()) this.#scheduler.wake(recipient);
  }

  #schedule(): KeyedScheduler<Hex> {
    const { concurrency, backoff, logger } = this.#options;
    return new KeyedScheduler({
      ...{ concurrency, backoff },
      work: (recipient) => this.#forwardAll(recipient),
      failed: (recipient, error) => {
        logger.error({ err: error, recipient }, 'forwarding failed');
      },
    });
  }

  /** Better no than never: a message that no endpoint may be asked to take is not accepted. */
  #checkReachable(recipient: Hex): void {
    const route = this.#options.router(recipient);
    if (route.kind !== 'forward' || route.endpoints.some((endpoint) => this.#mayFollow(endpoint))) return;
    const reason = `none of its ${route.endpoints.length} endpoints may be followed`;
    throw new RelayError('recipient-unreachable', { details: { recipient, reason } });
  }

  #mayFollow(endpoint: string): boolean {
    try {
      checkEndpoint(endpoint, this.#options);
      return true;
    } catch {
      return false;
    }
  }

  /** Whether nothing is left for the recipient. */
  async #forwardAll(recipient: Hex): Promise<boolean> {
    const { store } = this.#options;
    for (;;) {
      const page = await store.read(recipient, 0n, { count: pageCount });
      if (page.length === 0) return true;
      if (this.#stopped.signal.aborted) return false;
      if ((await this.#forwardPage(recipient, page)) < page.length) return false;
    }
  }

  /** How many from the front are done with. */
  async #forwardPage(recipient: Hex, page: readonly Mail[]): Promise<number> {
    const { store, metrics, logger } = this.#options;
    let done = 0;
    let upTo = 0n;
    for (const mail of page) {
      const outcome = await this.#forward(recipient, mail);
      metrics.count('forwards_total', outcome);
      if (outcome === 'failed') break;
      if (outcome !== 'forwarded')
        logger.warn({ recipient, messageId: mail.messageId, outcome }, 'forwarding is given up');
      upTo = mail.cursor;
      done += 1;
    }
    // Once a page: what a crash sends again, the other relay knows by its id.
    if (done > 0) await store.ack(recipient, upTo);
    return done;
  }

  async #forward(recipient: Hex, mail: Mail): Promise<Outcome> {
    const { clock, maxAgeMs } = this.#options;
    if (clock() - mail.storedAt > maxAgeMs) return 'expired';
    const endpoints = await this.#endpointsOf(recipient, mail);
    if (endpoints === undefined) return 'forwarded';
    let worst: Outcome = endpoints.length === 0 ? 'failed' : 'refused';
    for (const endpoint of endpoints) {
      const outcome = await this.#attempt(endpoint, mail.bytes);
      if (outcome === 'forwarded') return outcome;
      if (outcome === 'failed') worst = outcome;
    }
    return worst;
  }

  /** undefined: it is ours by now and was put into its mailbox. Empty: the chain names none at the moment. */
  async #endpointsOf(recipient: Hex, mail: Mail): Promise<readonly string[] | undefined> {
    const { router, mailStore } = this.#options;
    try {
      const route = router(recipient);
      if (route.kind === 'forward') return route.endpoints;
    } catch (error) {
      if (!isRelayError(error)) throw error;
      return [];
    }
    const { signedEnvelope } = decodeForwarded(mail.bytes);
    await mailStore.append(recipient, mail.messageId, signedEnvelope);
    return undefined;
  }

  async #attempt(endpoint: string, forwarded: Uint8Array): Promise<Outcome> {
    const { transport, attemptMs, logger } = this.#options;
    const signal = AbortSignal.any([this.#stopped.signal, AbortSignal.timeout(attemptMs)]);
    try {
      checkEndpoint(endpoint, this.#options);
      const { status } = await transport.post(routeUrl(endpoint, 'http', '/v1/forward'), forwarded, signal);
      return outcomeOf(status);
    } catch (error) {
      logger.debug({ err: error, endpoint }, 'forwarding attempt failed');
      return isRelayError(error, 'endpoint-refused') ? 'refused' : 'failed';
    }
  }
}

// 404: the other relay may not have seen the recipient's registration yet.
const mayChange: ReadonlySet<number> = new Set([404, 408, 425, 429]);
const loop = 508;

function outcomeOf(status: number): Outcome {
  if (status >= 200 && status < 300) return 'forwarded';
  return mayChange.has(status) || (status >= 500 && status !== loop) ? 'failed' : 'refused';
}
