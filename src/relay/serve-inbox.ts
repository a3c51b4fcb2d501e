import { filter, mergeMap, Observable, Subject, takeUntil, type Subscription } from 'rxjs';
import { toBytes, type BytesLike, type Hex } from '../codec/index.ts';
import { asRelayError, isRelayError, RelayError } from '../errors/index.ts';
import type { Delivery, Inbox, InboxEvent } from '../inbox/inbox.ts';
import type { OutboxQueue } from '../outbox/outbox.ts';
import { tell } from '../signals/index.ts';
import { AnswerQueue } from './answer-queue.ts';
import { HandlerTurns } from './handler-turns.ts';
import type { Replier } from './replier.ts';
import { RunningHandlers } from './running-handlers.ts';

/** A call of a contract, opened; sender and recipient are proven (protocol.md §8, §10). */
export interface InvocationCall {
  /** Who calls: a worker's IdentityKey or an account, as `fromKind` says. */
  readonly from: Hex;
  /** The contract that is called. */
  readonly to: Hex;
  /** Selector and arguments, as the caller encoded them. */
  readonly input: Uint8Array;
  /** How it came: sender, nonce, path, block. */
  readonly delivery: Delivery;
  /** Aborts when the service stops, or the time of the handler is over. */
  readonly signal: AbortSignal;
}

/** What goes back to who asked: bytes or 0x-hex; nothing: that it was read. */
export type Answer = BytesLike | undefined;

export interface ServeInboxOptions {
  readonly inbox: Pick<Inbox, 'events$'>;
  readonly replier: Replier;
  /** Called for each invocation; what it returns is the answer. */
  readonly onInvocation?: (call: InvocationCall) => Promise<Answer> | Answer;
  /** Called for everything else, replies included; what it returns is the answer to data, where it returns something. */
  readonly onMessage?: (delivery: Delivery, signal: AbortSignal) => Promise<Answer> | Answer;
  /** Told of replies: where they answer a message with `readReceipt`, its receipt says that it was read. Default: nobody. */
  readonly outbox?: Pick<OutboxQueue, 'noteReply'>;
  /** Whether senders of data are told that it was read. It shows when somebody is there. Default false. */
  readonly acknowledgeReads?: boolean;
  /**
   * Handlers that run at once, a quarter of them for one sender, three quarters for all that are not registered; answers on their
   * way take no place of theirs. Default 16.
   */
  readonly concurrency?: number;
  /**
   * For one handler to end, ms, 1 to 2^31 - 1: then its signal aborts, it has failed, and its place is another's. One that does not
   * heed the signal goes on without a place. Infinity: as long as it likes. Default 60 000.
   */
  readonly handlerTimeoutMs?: number;
  /** A handler or an answer failed. After a handler's failure the message stays, and comes again at the next start. */
  readonly onError?: (error: RelayError, delivery: Delivery) => void;
}

export interface InboxService extends AsyncDisposable {
  /** What the inbox tells beside messages. */
  readonly notices$: Observable<Exclude<InboxEvent, { type: 'message' }>>;
  /** Resolves when it was stopped; rejects with what ended the inbox. */
  readonly ended: Promise<void>;
  /** Handlers see their signal abort, and are waited for. Idempotent. */
  stop(): Promise<void>;
}

/**
 * Runs a worker: each message goes to its handler, the answer to who asked, and then the message is acknowledged. Killed in
 * between, the handler sees the message again at the next start, so it should be able to: the message id is the same. As many
 * wait for their handlers as an inbox hands out before they are acknowledged ({@link HandlerTurns}); the rest waits in its store.
 * Throws bad-setting.
 */
export function serveInbox(options: ServeInboxOptions): InboxService {
  return new HandlingService(options);
}

class HandlingService implements InboxService {
  readonly notices$: Observable<Exclude<InboxEvent, { type: 'message' }>>;
  readonly ended: Promise<void>;
  readonly #options: ServeInboxOptions;
  readonly #stopping = new AbortController();
  readonly #stopped = new Subject<void>();
  readonly #turns: HandlerTurns;
  readonly #handlers: RunningHandlers;
  readonly #answers = new AnswerQueue();
  /** Messages that are acknowledged when their answers are over. */
  readonly #ending = new Set<Promise<unknown>>();
  readonly #subscription: Subscription;

  constructor(options: ServeInboxOptions) {
    const { inbox, concurrency, handlerTimeoutMs } = options;
    this.#options = options;
    this.#turns = new HandlerTurns(concurrency === undefined ? {} : { concurrency });
    this.#handlers = new RunningHandlers(handlerTimeoutMs);
    const notices = new Subject<Exclude<InboxEvent, { type: 'message' }>>();
    this.notices$ = notices.asObservable();
    const work = inbox.events$.pipe(
      takeUntil(this.#stopped),
      filter((event) => {
        if (event.type === 'message') return true;
        notices.next(event);
        return false;
      }),
      mergeMap((event) => (event.type === 'message' ? this.#begin(event.delivery) : [])),
    );
    let end: Subscription | undefined;
    this.ended = new Promise<void>((resolve, reject) => {
      end = work.subscribe({ complete: resolve, error: reject });
    }).finally(async () => {
      await this.#answers.idle();
      await Promise.all(this.#ending);
    });
    this.ended.catch(() => undefined);
    this.#subscription = end ?? new Observable().subscribe();
  }

  async stop(): Promise<void> {
    const reason = new RelayError('aborted');
    this.#stopping.abort(reason);
    this.#handlers.stop(reason);
    this.#stopped.next();
    await this.ended.catch(() => undefined);
    this.#subscription.unsubscribe();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #begin(delivery: Delivery): Promise<void> {
    // At once: that a message was read is known whatever its handlers are at work on.
    const noted = this.#noteReply(delivery);
    noted.catch(() => undefined);
    await this.#turns.run(delivery, () => this.#handle(delivery, noted)).catch(this.#failing(delivery));
  }

  async #noteReply({ body, messageId, from, sentAt }: Delivery): Promise<void> {
    if (body.kind !== 'reply') return;
    await this.#options.outbox?.noteReply({ messageId, from, inReplyTo: body.inReplyTo, sentAt });
  }

  async #handle(delivery: Delivery, noted: Promise<void>): Promise<void> {
    if (this.#stopping.signal.aborted) return;
    try {
      await noted;
      const answer = await this.#handlers.run(delivery.messageId, (signal) => this.#answer(delivery, signal));
      if (answer === undefined) await delivery.ack();
      else await this.#send(delivery, answer);
    } catch (error) {
      this.#failed(error, delivery);
    }
  }

  /** Resolves when the answer is on its way, or waits for its turn: another message may have its own. */
  async #send(delivery: Delivery, answer: BytesLike): Promise<void> {
    const { signal } = this.#stopping;
    const to = { id: delivery.from, registered: delivery.registered };
    try {
      const { length } = toBytes(answer, 'The answer');
      const { over } = await this.#answers.begin(to, () => this.#deliver(delivery, answer), signal, length);
      const givenUp = over.catch((error: unknown) => this.#giveUp(error, delivery)).catch(this.#failing(delivery));
      this.#ending.add(givenUp);
      void givenUp.finally(() => this.#ending.delete(givenUp));
    } catch (error) {
      await this.#giveUp(error, delivery);
    }
  }

  /** Its turn does not come. */
  async #giveUp(error: unknown, delivery: Delivery): Promise<void> {
    if (this.#stopping.signal.aborted) throw error;
    this.#undelivered(error, delivery);
    await delivery.ack();
  }

  #failing(delivery: Delivery) {
    return (error: unknown): void => {
      this.#failed(error, delivery);
    };
  }

  /** Gives whether the answer arrived. */
  async #deliver(delivery: Delivery, answer: BytesLike): Promise<boolean> {
    const { signal } = this.#stopping;
    let hasArrived = true;
    try {
      await this.#options.replier.reply(delivery, answer, signal).catch((error: unknown) => {
        if (signal.aborted) throw error;
        hasArrived = false;
        // Who asked has given up by now, or can't be answered: that must not hold up the others.
        this.#undelivered(error, delivery);
      });
      await delivery.ack();
    } catch (error) {
      this.#failed(error, delivery);
    }
    return hasArrived;
  }

  #undelivered(error: unknown, delivery: Delivery): void {
    this.#tell(asRelayError(error, 'reply-undelivered', { to: delivery.from }), delivery);
  }

  #failed(error: unknown, delivery: Delivery): void {
    if (isRelayError(error, 'aborted')) return;
    delivery.leave();
    this.#tell(asRelayError(error, 'handler-failed', { messageId: delivery.messageId }), delivery);
  }

  #tell(error: RelayError, delivery: Delivery): void {
    tell(() => this.#options.onError?.(error, delivery));
  }

  /** undefined: nobody is to be answered. */
  async #answer(delivery: Delivery, signal: AbortSignal): Promise<BytesLike | undefined> {
    const { onInvocation, onMessage, acknowledgeReads = false } = this.#options;
    const { body, from } = delivery;
    const read = new Uint8Array();
    if (body.kind === 'invocation' && onInvocation !== undefined)
      return answerable(
        delivery,
        (await onInvocation({ from, to: body.to, input: body.input, delivery, signal })) ?? read,
      );
    const answer = await onMessage?.(delivery, signal);
    // A reply is the end of a conversation, or two services would go on for ever.
    if (body.kind === 'reply') return undefined;
    return answerable(delivery, answer ?? (acknowledgeReads ? read : undefined));
  }
}

/** An account has no address off chain: what it asked is done, and it sees the outcome elsewhere. */
function answerable(delivery: Delivery, answer: BytesLike | undefined): BytesLike | undefined {
  return delivery.fromKind === 'worker' ? answer : undefined;
}
