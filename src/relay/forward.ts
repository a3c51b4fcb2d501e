import type { Logger } from 'pino';
import { decodeForwarded, encodeForwarded, type Hex } from '../codec/index.ts';
import { isRelayError, RelayError } from '../errors/index.ts';
import type { Origin } from '../store/mail-quota.ts';
import type { Mail, MailStore } from '../store/mail-store.ts';
import type { Backoff } from './backoff.ts';
import { endingSignal } from './deadline.ts';
import { EndpointHealth } from './endpoint-health.ts';
import { errorOutcome, receiptOutcome, type Attempt } from './forward-outcome.ts';
import { forwardQueue, queuedMessage } from './forward-queue.ts';
import { ForwardRoom, type ForwardRoomOptions } from './forward-room.ts';
import { ForwardRounds } from './forward-rounds.ts';
import { checkEndpoint, mayFollow, type EndpointPolicy } from './endpoint-policy.ts';
import type { Ingested } from './ingest.ts';
import { KeyedScheduler, suspectLane, type Lane, type TurnOutcome } from './keyed-scheduler.ts';
import type { Metrics } from './metrics.ts';
import type { ForwardQueue, Queued } from './pipeline.ts';
import { postMessage } from './post-message.ts';
import { RecentMap } from './recent-map.ts';
import { routeUrl } from './relay-url.ts';
import type { ResolvedNames } from './resolved-names.ts';
import type { Router } from './route.ts';
import type { Transport } from './transport.ts';

export interface ForwarderOptions extends EndpointPolicy, ForwardRoomOptions {
  /** The queues: a mailbox for each sender and recipient. */
  readonly store: MailStore;
  /** Where messages go that turn out to be ours by now. */
  readonly mailStore: MailStore;
  readonly router: Router;
  readonly transport: Transport;
  /** What `transport` dials names by. */
  readonly names: ResolvedNames;
  readonly metrics: Metrics;
  readonly logger: Logger;
  /** Queues that are forwarded from at once; a quarter of them to one address, a sixteenth to one recipient. Default 64. */
  readonly concurrency?: number;
  /** Time for one attempt, ms. Default 10 000. */
  readonly attemptMs?: number;
  /** After this no further attempt is begun for a queue before others have their turn, ms. Default 10 000. */
  readonly turnMs?: number;
  /** A message that waited longer is given up, ms. */
  readonly maxAgeMs: number;
  /** Unix time, ms. */
  readonly clock: () => number;
  /** Default 1 s to 5 min. */
  readonly backoff?: Backoff;
  /** How often what another relay on the same store left is looked for, ms. Default 60 000. */
  readonly lookEveryMs?: number;
}

export interface Forwarder extends ForwardQueue {
  /** Takes up what an earlier run left, or another relay on the same store. Idempotent. */
  start(): Promise<void>;
  /** Ends attempts; what is queued stays. Idempotent. */
  stop(): Promise<void>;
}

/** again: it was not offered to all endpoints yet, or is to be in another lane. */
type Outcome = Attempt | 'expired' | 'again';

interface Turn {
  readonly lane: Lane;
  /** No further attempt is begun after this, as of `performance.now()`. */
  readonly endsAt: number;
}

const defaults = {
  ...{ concurrency: 64, attemptMs: 10_000, turnMs: 10_000, lookEveryMs: 60_000 },
  backoff: { firstMs: 1_000, mostMs: 300_000 },
};
const pageCount = 32;
// For one turn, of those that the recipient's entry names: the likeliest that the message was not offered to.
const maxEndpoints = 4;
// Relays that see the chain at different blocks send a message to each other; after this they see the same.
const circlingMs = 600_000;
// What left this queue with one hop passed another relay, at the least, before it can be back here to be queued with three.
const leastOfCircle = 3;
const maxRecent = 20_000;

/** Last stage for other relays' recipients: one sender's messages to one of them in order, until a relay of its takes them. */
export function createForwarder(options: ForwarderOptions): Forwarder {
  return new StoredForwarder(options);
}

class StoredForwarder implements Forwarder {
  readonly #options: ForwarderOptions & typeof defaults;
  readonly #health: EndpointHealth;
  /** Hops that what was queued lately came with. */
  readonly #recent = new RecentMap<Hex, number>(maxRecent);
  readonly #rounds = new ForwardRounds();
  readonly #room: ForwardRoom;
  /** What queues ask first in the turn that they wait for, where a turn before has told. */
  readonly #next = new Map<Hex, string>();
  #scheduler: KeyedScheduler<Hex>;
  #stopped = new AbortController();
  #looking: ReturnType<typeof setInterval> | undefined;

  constructor(options: ForwarderOptions) {
    this.#options = { ...defaults, ...options };
    this.#health = new EndpointHealth({ backoff: this.#options.backoff, now: options.clock });
    this.#room = new ForwardRoom(options);
    this.#scheduler = this.#schedule();
  }

  async add({ header, messageId, bytes }: Ingested, hops: number, origin: Origin): Promise<Queued> {
    const { store } = this.#options;
    this.#checkReachable(header.to);
    const forwarded = encodeForwarded({ hops, signedEnvelope: bytes });
    const queue = forwardQueue(header.to, header.from);
    const sentAt = Number(header.sentAt);
    const refusal = this.#room.refusal(queue, header.to, forwarded.length, origin);
    // What is there already is not refused.
    if (refusal !== undefined && !(await this.#isQueued(queue, messageId, sentAt))) throw refusal;
    const { duplicate, cursor } = await store.append(queue, messageId, forwarded, origin, sentAt);
    if (duplicate) return (await this.#cameWith(hops, queue, messageId, cursor)) ? 'again' : 'before';
    this.#recent.set(messageId, hops);
    this.#room.add(queue, header.to, forwarded.length);
    this.#scheduler.wake(queue);
    return 'queued';
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
    }, this.#options.lookEveryMs);
  }

  async stop(): Promise<void> {
    clearInterval(this.#looking);
    this.#looking = undefined;
    this.#stopped.abort();
    await this.#scheduler.stop();
  }

  /** As far as the store tells: one that does not is believed to have what this run took, and no more. */
  async #isQueued(queue: Hex, messageId: Hex, sentAt: number): Promise<boolean> {
    if (this.#recent.get(messageId) !== undefined) return true;
    const found = await this.#options.store.find(queue, messageId, sentAt);
    return found !== undefined && (found.isAcknowledged || found.cursor !== undefined);
  }

  /** Whether a message that is known came the same way before: its answer was lost. */
  async #cameWith(hops: number, queue: Hex, messageId: Hex, cursor: bigint): Promise<boolean> {
    const recent = this.#recent.get(messageId);
    if (recent !== undefined) return recent === hops;
    // Queued by an earlier run, or by another relay on the same store.
    const [mail] = await this.#options.store.read(queue, cursor - 1n, { count: 1 });
    if (mail?.messageId === messageId) return decodeForwarded(mail.bytes).hops === hops;
    return hops < leastOfCircle;
  }

  async #look(): Promise<void> {
    const { store } = this.#options;
    for await (const queue of store.recipients()) {
      if (this.#room.recipientOf(queue) === undefined) {
        // Found the next time.
        if (this.#room.isFull) continue;
        const [first] = await store.read(queue, 0n, { count: 1 });
        if (first === undefined) continue;
        this.#room.set(queue, queuedMessage(first.bytes).to, await store.stats(queue));
      }
      this.#scheduler.wake(queue);
    }
    // Those that another relay on the same store emptied too: their turn tells.
    for (const queue of this.#room.queues()) this.#scheduler.wake(queue);
  }

  #schedule(): KeyedScheduler<Hex> {
    const { concurrency, backoff, logger, names, store } = this.#options;
    return new KeyedScheduler({
      ...{ concurrency, backoff },
      perLane: Math.ceil(concurrency / 4),
      // A name costs nothing, and its answer may take long: no turn waits for one.
      isPrepared: (queue) => {
        const endpoint = this.#firstOf(queue);
        return endpoint === undefined || names.networkOf(endpoint) !== undefined;
      },
      prepare: async (queue) => {
        const endpoint = this.#firstOf(queue);
        const [mail] = await store.read(queue, 0n, { count: 1 });
        if (endpoint !== undefined && mail !== undefined && !this.#isTooOld(mail)) await names.learn(endpoint);
      },
      laneOf: (queue) => this.#laneOf(queue),
      // Keys of senders cost nothing, an entry of the chain does: one recipient's queues hold up no other's, however many they are.
      perGroup: Math.ceil(concurrency / 16),
      groupOf: (queue) => this.#room.recipientOf(queue) ?? '',
      work: (queue, lane) => this.#forwardAll(queue, lane),
      failed: (queue, error) => {
        logger.error({ err: error, recipient: this.#room.recipientOf(queue) }, 'forwarding failed');
      },
    });
  }

  /** Better no than never: a message that no endpoint may be asked to take is not accepted. */
  #checkReachable(recipient: Hex): void {
    const route = this.#options.router(recipient);
    if (route.kind !== 'forward' || route.endpoints.some((endpoint) => mayFollow(endpoint, this.#options))) return;
    const reason = `none of its ${route.endpoints.length} endpoints may be followed`;
    throw new RelayError('recipient-unreachable', { details: { recipient, reason } });
  }

  /** Where its messages go first, as far as turns are concerned; suspect where nothing came of it there the last time. */
  #laneOf(queue: Hex): Lane {
    const endpoint = this.#firstOf(queue);
    if (endpoint === undefined) return '';
    // Of a name that was not asked for its turn tells.
    return this.#health.isDoubtful(endpoint) ? suspectLane : (this.#options.names.lastNetworkOf(endpoint) ?? '');
  }

  #firstOf(queue: Hex): string | undefined {
    return this.#next.get(queue) ?? this.#likeliest(queue);
  }

  #isTooOld({ storedAt }: Mail): boolean {
    const { clock, maxAgeMs } = this.#options;
    return clock() - storedAt > maxAgeMs;
  }

  #likeliest(queue: Hex): string | undefined {
    const recipient = this.#room.recipientOf(queue);
    if (recipient === undefined) return undefined;
    try {
      const route = this.#options.router(recipient);
      return route.kind === 'forward' ? this.#health.ranked(route.endpoints, recipient)[0] : undefined;
    } catch (error) {
      // A recipient that is not known any more: its turn tells.
      if (!isRelayError(error)) throw error;
      return undefined;
    }
  }

  async #forwardAll(queue: Hex, lane: Lane): Promise<TurnOutcome> {
    const { store, turnMs } = this.#options;
    const page = await store.read(queue, 0n, { count: pageCount });
    if (page.length > 0) return this.#forwardPage(queue, page, { lane, endsAt: performance.now() + turnMs });
    this.#next.delete(queue);
    this.#rounds.end(queue);
    this.#room.empty(queue);
    return 'done';
  }

  /** As many from the front as there is time for. */
  async #forwardPage(queue: Hex, page: readonly Mail[], turn: Turn): Promise<TurnOutcome> {
    const { store, metrics, logger } = this.#options;
    let done = 0;
    let upTo = 0n;
    let result: TurnOutcome = 'more';
    for (const mail of page) {
      if (done > 0 && performance.now() > turn.endsAt) break;
      const outcome = this.#stopped.signal.aborted ? 'failed' : await this.#forward(queue, mail, turn);
      if (outcome !== 'again') metrics.count('forwards_total', outcome);
      if (outcome === 'failed' || outcome === 'again') {
        result = outcome;
        break;
      }
      if (outcome !== 'forwarded')
        logger.warn(
          { recipient: this.#room.recipientOf(queue), messageId: mail.messageId, outcome },
          'forwarding is given up',
        );
      this.#rounds.end(queue);
      upTo = mail.cursor;
      done += 1;
    }
    // Once a page: what a crash sends again, the other relay knows by its id.
    if (done === 0) return result;
    await store.ack(queue, upTo);
    const bytes = page.slice(0, done).reduce((sum, mail) => sum + mail.bytes.length, 0);
    this.#room.remove(queue, { count: done, bytes });
    return result;
  }

  /** Offers it to endpoints at one address, the likeliest: others are another turn's. */
  async #forward(queue: Hex, mail: Mail, { lane, endsAt }: Turn): Promise<Outcome> {
    const { clock, names } = this.#options;
    const next = this.#next.get(queue);
    this.#next.delete(queue);
    const { to: recipient } = queuedMessage(mail.bytes);
    if (this.#isTooOld(mail)) return 'expired';
    const endpoints = await this.#endpointsOf(recipient, mail);
    if (endpoints === undefined) return 'forwarded';
    const tried = new Map<string, Attempt>();
    const left = this.#left(queue, mail, endpoints, recipient, next);
    const [first] = left;
    // Whatever was forgotten while it waited, a turn of the right lane is used; none asks for a name that may be of another.
    const isOfLane = first === undefined || lane === suspectLane || lane === names.lastNetworkOf(first);
    const network = first === undefined || !isOfLane ? undefined : await this.#askedFor(first);
    if (first !== undefined && lane !== suspectLane && lane !== network) {
      this.#next.set(queue, first);
      return 'again';
    }
    for (const endpoint of left.slice(0, maxEndpoints)) {
      if (tried.size > 0 && (performance.now() > endsAt || names.networkOf(endpoint) !== network)) break;
      const outcome = await this.#attempt(endpoint, recipient, mail);
      if (outcome === 'forwarded') return outcome;
      tried.set(endpoint, outcome);
    }
    const outcomes = this.#rounds.add(queue, mail.messageId, endpoints, tried);
    if (this.#stopped.signal.aborted) return 'failed';
    if (outcomes === undefined) {
      const [first] = this.#left(queue, mail, endpoints, recipient);
      if (first !== undefined) this.#next.set(queue, first);
      return 'again';
    }
    if (outcomes.size === 0 || outcomes.has('failed') || outcomes.has('later')) return 'failed';
    if (outcomes.has('circled')) return clock() - mail.storedAt < circlingMs ? 'failed' : 'circled';
    return 'refused';
  }

  /** Those that it was not offered to, the likeliest first; before them what its turn is for. */
  #left(
    queue: Hex,
    { messageId }: Mail,
    endpoints: readonly string[],
    recipient: Hex,
    next?: string,
  ): readonly string[] {
    const left = this.#rounds.left(queue, messageId, this.#health.ranked(endpoints, recipient));
    return next === undefined || !left.includes(next) ? left : [next, ...left.filter((endpoint) => endpoint !== next)];
  }

  async #askedFor(endpoint: string): Promise<string | undefined> {
    const { names } = this.#options;
    await names.learn(endpoint);
    return names.networkOf(endpoint);
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
    // The mailbox may have the message already, from its sender.
    const { signedEnvelope, sentAt } = queuedMessage(mail.bytes);
    await mailStore.append(recipient, mail.messageId, signedEnvelope, undefined, sentAt);
    return undefined;
  }

  async #attempt(endpoint: string, recipient: Hex, { messageId, bytes }: Mail): Promise<Attempt> {
    const { names } = this.#options;
    const network = names.networkOf(endpoint);
    const outcome = await this.#post(endpoint, messageId, bytes);
    // One that may not be followed too: the message was taken, and its recipient may name another.
    if (outcome !== 'failed') this.#health.succeeded(endpoint, recipient, false);
    else if (!this.#stopped.signal.aborted) {
      this.#health.failed(endpoint);
      names.passOver(endpoint, network);
    }
    return outcome;
  }

  async #post(endpoint: string, messageId: Hex, forwarded: Uint8Array): Promise<Attempt> {
    const { transport, attemptMs, logger } = this.#options;
    using ending = endingSignal(attemptMs, this.#stopped.signal);
    const { signal } = ending;
    try {
      checkEndpoint(endpoint, this.#options);
      const receipt = await postMessage(transport, routeUrl(endpoint, 'http', '/v1/forward'), forwarded, signal);
      return receiptOutcome(receipt, messageId);
    } catch (error) {
      if (isRelayError(error) || signal.aborted) logger.debug({ err: error, endpoint }, 'forwarding attempt failed');
      else logger.error({ err: error, endpoint }, 'forwarding attempt failed');
      return errorOutcome(error);
    }
  }
}
