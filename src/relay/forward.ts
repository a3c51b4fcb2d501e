import { decodeForwarded, encodeForwarded, type Hex } from '../codec/index.ts';
import { RelayError } from '../errors/index.ts';
import type { Origin } from '../store/mail-quota.ts';
import type { Mail, MailStore } from '../store/mail-store.ts';
import type { Backoff } from './backoff.ts';
import { mayFollow, noneFollowed } from './endpoint-policy.ts';
import { forwardQueue, queuedMessage } from './forward-queue.ts';
import { ForwardRoom, type ForwardRoomOptions } from './forward-room.ts';
import { ForwardTurns, type Turn, type TurnParts } from './forward-turns.ts';
import type { Ingested } from './ingest.ts';
import { KeyedScheduler, type Lane, type TurnOutcome } from './keyed-scheduler.ts';
import type { Metrics } from './metrics.ts';
import type { ForwardQueue, Queued } from './pipeline.ts';
import { RecentMap } from './recent-map.ts';

export interface ForwarderOptions extends ForwardRoomOptions, Omit<TurnParts, 'room' | 'attemptMs' | 'backoff'> {
  /** The queues: a mailbox for each sender and recipient. */
  readonly store: MailStore;
  readonly metrics: Metrics;
  /** Queues that are forwarded from at once; a quarter of them to one address, a sixteenth to one recipient. Default 64. */
  readonly concurrency?: number;
  /** Time for one attempt, ms. Default 10 000. */
  readonly attemptMs?: number;
  /** After this no further attempt is begun for a queue before others have their turn, ms. Default 10 000. */
  readonly turnMs?: number;
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

const defaults = {
  ...{ concurrency: 64, attemptMs: 10_000, turnMs: 10_000, lookEveryMs: 60_000 },
  backoff: { firstMs: 1_000, mostMs: 300_000 },
};
const pageCount = 32;
// What left this queue with one hop passed another relay, at the least, before it can be back here to be queued with three.
const leastOfCircle = 3;
const maxRecent = 20_000;

/** Last stage for other relays' recipients: one sender's messages to one of them in order, until a relay of its takes them. */
export function createForwarder(options: ForwarderOptions): Forwarder {
  return new StoredForwarder(options);
}

class StoredForwarder implements Forwarder {
  readonly #options: ForwarderOptions & typeof defaults;
  /** Hops that what was queued lately came with. */
  readonly #recent = new RecentMap<Hex, number>(maxRecent);
  readonly #room: ForwardRoom;
  readonly #turns: ForwardTurns;
  #scheduler: KeyedScheduler<Hex>;
  #stopped = new AbortController();
  #looking: ReturnType<typeof setInterval> | undefined;

  constructor(options: ForwarderOptions) {
    this.#options = { ...defaults, ...options };
    this.#room = new ForwardRoom(options);
    this.#turns = new ForwardTurns({ ...this.#options, room: this.#room });
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
    const { concurrency, backoff, logger } = this.#options;
    return new KeyedScheduler({
      ...{ concurrency, backoff },
      perLane: Math.ceil(concurrency / 4),
      // A name costs nothing, and its answer may take long: no turn waits for one.
      isPrepared: (queue) => this.#turns.isPrepared(queue),
      prepare: (queue) => this.#turns.prepare(queue),
      laneOf: (queue) => this.#turns.laneOf(queue),
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
    const reason = noneFollowed(route.endpoints, this.#options);
    throw new RelayError('recipient-unreachable', { details: { recipient, reason } });
  }

  async #forwardAll(queue: Hex, lane: Lane): Promise<TurnOutcome> {
    const { store, turnMs } = this.#options;
    const page = await store.read(queue, 0n, { count: pageCount });
    const stopped = this.#stopped.signal;
    if (page.length > 0) return this.#forwardPage(queue, page, { lane, endsAt: performance.now() + turnMs, stopped });
    this.#turns.emptied(queue);
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
      const outcome = turn.stopped.aborted ? 'failed' : await this.#turns.offer(queue, mail, turn);
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
      this.#turns.done(queue);
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
}
