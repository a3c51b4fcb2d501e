import type { Account } from '../chain/index.ts';
import type { NonceClock } from '../channel/nonce-source.ts';
import { recipientKeyOf, type KeyDirectory, type RecipientKeyOptions } from '../channel/recipient-key.ts';
import type { Hex } from '../codec/index.ts';
import { asRelayError, checkU64, checkValue, RelayError } from '../errors/index.ts';
import type { TransactionalStore } from '../store/transactional-store.ts';
import type { Vault } from '../vault/vault.ts';
import { letGo, LinkedAbort, tell } from '../signals/index.ts';
import { noteReply } from './note-reply.ts';
import type { CancelOptions, OutboxEntry, Receipt, RelayOutbox, RetryOptions, SendMessage } from './outbox.ts';
import type { ReplyNotice } from './reply-notice.ts';
import type { NewMessage } from './append-group.ts';
import { OutboxStore } from './outbox-store.ts';
import { ProgressLog } from './progress-log.ts';
import { StoredQueue } from './queue.ts';
import { queueMessage, type UnnumberedRecord } from './queue-message.ts';
import { Receipts } from './receipts.ts';
import type { SendId } from './send-id.ts';
import { StepLoop } from './step-loop.ts';
import type { MakeTransport, Transport } from './transport.ts';
import type { Work } from './work.ts';

const defaultKeepDone = 10_000;

export interface QueueOptions extends RecipientKeyOptions, NonceClock {
  readonly vault: Vault;
  readonly store: TransactionalStore;
  readonly directory: KeyDirectory;
  /** Messages whose end is known that are kept for `receipt` and `entries`; the oldest go first. Default 10 000. */
  readonly keepDone?: number;
  /** Told whenever something is in the way; what is queued stays and is tried again. */
  readonly onSetback?: (error: RelayError) => void;
}

export interface RunningQueueOptions extends QueueOptions {
  readonly genesisHash: Hex;
  readonly account?: Account | undefined;
  /** Whether there is a way off chain. */
  readonly hasCarrier: boolean;
  /** Between looks for what another process queued, ms. Default: who runs it looks. */
  readonly lookEveryMs?: number;
}

type CheckRecord = (record: UnnumberedRecord, signal: AbortSignal) => Promise<void>;

/** A queue and its transports. */
export class RunningQueue implements RelayOutbox {
  readonly work: Work;
  readonly #options: RunningQueueOptions;
  readonly #store: OutboxStore;
  readonly #queue: StoredQueue;
  readonly #receipts: Receipts;
  readonly #stopping = new AbortController();
  readonly #transports: readonly Transport[];
  readonly #transportLoops: readonly StepLoop[];
  readonly #receiptsLoop: StepLoop;
  #starting: Promise<void> | undefined;
  #stopped: Promise<void> | undefined;
  #looking: ReturnType<typeof setInterval> | undefined;

  constructor(options: RunningQueueOptions, transports: readonly MakeTransport[]) {
    const { vault, genesisHash, store, directory, account, now = Date.now, requireProven = false } = options;
    const { keepDone = defaultKeepDone } = options;
    checkValue('keepDone', Number.isSafeInteger(keepDone) && keepDone >= 0, 'a number from 0 on');
    const { signal } = this.#stopping;
    this.#options = options;
    this.#store = new OutboxStore(store);
    this.#queue = new StoredQueue(this.#store, now);
    this.#receipts = new Receipts(this.#store, now);
    const log = new ProgressLog({
      ...{ store: this.#store, receipts: this.#receipts, keepDone },
      onEnded: this.#ended.bind(this),
      onForgotten: (ids) => {
        for (const id of ids) for (const transport of this.#transports) transport.forget?.(id);
      },
    });
    const setback = this.#setback.bind(this);
    this.work = {
      ...{ genesisHash, vault, store: this.#store, directory, account, now, requireProven, signal, setback },
      wake: () => {
        this.#wake();
      },
      noteReply: this.noteReply.bind(this),
      known: this.#receipts.known.bind(this.#receipts),
      save: log.save.bind(log),
      finish: log.finish.bind(log),
    };
    const loopOf = (step: () => Promise<boolean>): StepLoop => new StepLoop(step, setback, signal);
    const made = transports.map((make) => {
      const loop: StepLoop = loopOf(() => transport.step());
      const transport = make(this.work, () => {
        loop.pause();
      });
      return { transport, loop };
    });
    this.#transports = made.map(({ transport }) => transport);
    this.#transportLoops = made.map(({ loop }) => loop);
    this.#receiptsLoop = loopOf(async () => {
      // Also who has nothing to write finds out that another works on the queue.
      await this.#store.checkOwner();
      return this.#receipts.refresh();
    });
  }

  /** `check` refuses a message before it is stored. */
  async send(message: SendMessage, given?: AbortSignal, check?: CheckRecord): Promise<Receipt> {
    const ended = new LinkedAbort(this.#stopping.signal, given);
    const { signal } = ended;
    const { directory } = this.#options;
    const queued = await queueMessage(
      {
        ...this.#options,
        signal,
        check: async (record) => {
          await directory.load?.(message.to, signal);
          if (signal.aborted) throw new RelayError('aborted');
          recipientKeyOf(directory, message.to, this.#options);
          await check?.(record, signal);
        },
      },
      message,
    ).finally(() => {
      ended.unlink();
    });
    this.#wake();
    return this.#receipts.of(queued.sendId, queued.nonce);
  }

  async append(message: NewMessage): Promise<Receipt> {
    const sendId = await this.#store.append(message);
    this.#wake();
    return this.#receipts.of(sendId, message.record.nonce);
  }

  async receipt(sendId: SendId): Promise<Receipt | undefined> {
    checkU64('sendId', sendId);
    const stored = await this.#store.get(sendId);
    return stored === undefined ? undefined : this.#receipts.of(sendId, stored.record.nonce);
  }

  entries(): AsyncIterable<OutboxEntry> {
    return this.#queue.entries();
  }

  waitingOffChain(): AsyncIterable<SendId> {
    return this.#queue.waitingOffChain();
  }

  async retry(sendId: SendId, options?: RetryOptions): Promise<void> {
    await this.#queue.retry(sendId, options);
    await this.#receipts.look(sendId);
    this.#wake();
  }

  async cancel(sendId: SendId, options?: CancelOptions): Promise<void> {
    await this.#queue.cancel(sendId, options);
    this.#ended([sendId]);
    await this.#receipts.look(sendId);
    this.#wake();
  }

  async noteReply(reply: ReplyNotice): Promise<boolean> {
    const noted = await noteReply(this.#store, reply);
    if (noted === undefined) return false;
    this.#receipts.known(noted);
    for (const transport of this.#transports) transport.read?.(noted);
    return true;
  }

  tryAgain(): void {
    for (const transport of this.#transports) transport.tryAgain?.();
    this.resume();
  }

  /** Something else may be possible now. */
  resume(): void {
    for (const loop of this.#loops) loop.resume();
  }

  /** Another process may have changed the queue. */
  look(): void {
    for (const loop of this.#loops) loop.wake();
  }

  start(): Promise<void> {
    return (this.#starting ??= this.#start());
  }

  stop(): Promise<void> {
    return (this.#stopped ??= this.#stop());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #start(): Promise<void> {
    // Another may work on the queue by now.
    this.#stopping.signal.throwIfAborted();
    await this.#store.takeOver();
    for (const transport of this.#transports) await transport.load?.();
    for (const loop of this.#loops) loop.open();
    const { lookEveryMs } = this.#options;
    if (lookEveryMs === undefined || this.#stopping.signal.aborted) return;
    this.#looking = setInterval(() => {
      this.look();
    }, lookEveryMs);
    letGo(this.#looking);
  }

  async #stop(): Promise<void> {
    this.#stopping.abort(new RelayError('aborted'));
    await this.#starting?.catch(() => undefined);
    clearInterval(this.#looking);
    await Promise.all(this.#loops.map((loop) => loop.stop()));
    await Promise.all(this.#transports.map((transport) => transport.stop()));
    this.#receipts.end();
  }

  get #loops(): readonly StepLoop[] {
    return [...this.#transportLoops, this.#receiptsLoop];
  }

  #wake(): void {
    for (const loop of this.#transportLoops) loop.wake();
  }

  /** Something is out of reach: what is queued stays, and is tried again. */
  #setback(error: unknown): void {
    if (this.#stopping.signal.aborted) return;
    const known = asRelayError(error, 'outbox-setback');
    tell(() => this.#options.onSetback?.(known));
    if (known.code === 'outbox-replaced') void this.stop();
  }

  #ended(ids: readonly SendId[]): void {
    for (const id of ids) for (const transport of this.#transports) transport.ended?.(id);
  }
}
