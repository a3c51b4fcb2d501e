import type { Account, Chain, Finality } from '../chain/index.ts';
import { recipientKeyOf, type KeyDirectory, type NonceClock, type RecipientKeyOptions } from '../channel/index.ts';
import { asRelayError, isRelayError, RelayError } from '../errors/index.ts';
import { toHex } from '../codec/index.ts';
import type { TransactionalStore } from '../store/index.ts';
import type { Vault } from '../vault/index.ts';
import { feeOf, payloadBytes } from './batch.ts';
import { ChainPoster } from './chain-poster.ts';
import type { MessageRecord, Progress } from './message-record.ts';
import type { OffChainCarrier } from './off-chain-carrier.ts';
import type { Arrival, Outbox, OutboxEntry, PhalaCommand, Posted, Receipt, SendMessage } from './outbox.ts';
import { Change, OutboxStore, type Stored } from './outbox-store.ts';
import type { SendId } from './send-id.ts';
import { StoredQueue } from './queue.ts';
import { queueMessage } from './queue-message.ts';
import { Receipts } from './receipts.ts';
import { RelayLane } from './relay-lane.ts';
import { pause } from './pause.ts';
import { sealCommand } from './seal-command.ts';
import { StepLoop } from './step-loop.ts';
import type { Work } from './work.ts';

// Call, signature, era, nonce and tip around the payload, with room to spare.
const extrinsicOverhead = 1_024;
/** Before heads are followed again. */
const followAgainMs = 1_000;
const defaultKeepDone = 10_000;

export interface OutboxOptions extends RecipientKeyOptions, NonceClock {
  readonly chain: Chain;
  readonly vault: Vault;
  readonly store: TransactionalStore;
  /** WorkerState. */
  readonly directory: KeyDirectory;
  /** Signs and pays for extrinsics: with it, whoever sends by auto agrees to fees. Without it nothing goes on chain. */
  readonly account?: Account;
  /** The way off chain. Without it everything goes on chain. */
  readonly carrier?: OffChainCarrier;
  /** For each extrinsic, above its fee, to go first where blocks are full; in the smallest unit. Default 0. */
  readonly tip?: bigint;
  /** Most that one message may cost on chain, in the smallest unit, tip left out. Default: any. */
  readonly maxFee?: bigint;
  /** Messages whose end is known that are kept for `receipt` and `entries`; the oldest go first. Default 10 000. */
  readonly keepDone?: number;
  /** Told whenever something is in the way; what is queued stays and is tried again each second. */
  readonly onSetback?: (error: RelayError) => void;
}

/** A queue that sends what was put into it as soon as it is started, in order, oldest first. */
export function createOutbox(options: OutboxOptions): Outbox {
  return new StoredOutbox(options);
}

class StoredOutbox implements Outbox {
  readonly #options: OutboxOptions;
  readonly #store: OutboxStore;
  readonly #queue: StoredQueue;
  readonly #receipts: Receipts;
  readonly #stopping = new AbortController();
  readonly #work: Work;
  readonly #poster: ChainPoster;
  readonly #relayLane: RelayLane;
  readonly #relayLoop: StepLoop;
  readonly #chainLoop: StepLoop;
  readonly #receiptsLoop: StepLoop;
  #stopped: Promise<void> | undefined;
  #starting: Promise<void> | undefined;
  #following: Promise<unknown> | undefined;
  #doneCount: number | undefined;

  constructor(options: OutboxOptions) {
    const { chain, vault, store, directory, account, carrier, tip = 0n, now = Date.now } = options;
    const { requireProven = false } = options;
    this.#options = options;
    this.#store = new OutboxStore(store);
    this.#queue = new StoredQueue(this.#store, now);
    this.#receipts = new Receipts(this.#store);
    const { signal } = this.#stopping;
    const shared = {
      ...{ chain, vault, entityStore: store, store: this.#store, directory, account, carrier, tip, now, requireProven },
      signal,
      wake: () => {
        this.#wake();
      },
      save: this.#save.bind(this),
      finish: this.#finish.bind(this),
    };
    const tell = (error: unknown): void => {
      this.#setback(error);
    };
    // Each has a loop of its own: mail off chain does not wait for the chain, nor the chain for a relay.
    this.#chainLoop = new StepLoop(() => this.#poster.step(), tell, signal);
    this.#relayLoop = new StepLoop(
      once(() => this.#relayLane.step()),
      tell,
      signal,
    );
    this.#receiptsLoop = new StepLoop(
      once(() => this.#receipts.refresh()),
      tell,
      signal,
    );
    const onChain = (error: unknown): void => {
      tell(error);
      this.#chainLoop.pause();
    };
    this.#work = { ...shared, setback: onChain };
    this.#poster = new ChainPoster(this.#work);
    // It pauses for each recipient by itself.
    this.#relayLane = new RelayLane({ ...shared, setback: tell });
  }

  send(message: (SendMessage & { readonly via: 'chain' }) | PhalaCommand): Promise<Receipt<Arrival & Posted>>;
  send(message: SendMessage): Promise<Receipt>;
  send(message: SendMessage | PhalaCommand): Promise<Receipt> {
    return message.suite === 'phala' ? this.#sendCommand(message) : this.#sendMessage(message);
  }

  async #sendCommand(command: PhalaCommand): Promise<Receipt> {
    const { account } = this.#options;
    if (account === undefined) throw new RelayError('no-account');
    const payload = await sealCommand(this.#work, command, this.#stopping.signal);
    const { topic, as = 'worker', maxFee = this.#options.maxFee } = command;
    const record: MessageRecord = {
      ...{ suite: 'phala', to: toHex(topic), as, via: 'chain', nonce: 0n, bodyBytes: payload.length, maxFee },
      ...{ queuedAt: this.#work.now(), freshKey: false, progress: { state: 'queued' } },
    };
    this.#checkSize(record);
    const sendId = await this.#store.append({ record, body: payload, lane: as });
    this.#wake();
    return this.#receipts.of(sendId, record.nonce);
  }

  async #sendMessage(message: SendMessage): Promise<Receipt> {
    const { chain, carrier, directory, maxFee } = this.#options;
    const queued = await queueMessage(
      {
        ...{ ...this.#options, genesisHash: chain.genesisHash, hasCarrier: carrier !== undefined },
        check: async (record) => {
          await directory.load?.(message.to, this.#stopping.signal);
          recipientKeyOf(directory, message.to, this.#options);
          this.#checkSize(record);
        },
      },
      maxFee === undefined ? message : { maxFee, ...message },
    );
    this.#wake();
    return this.#receipts.of(queued.sendId, queued.nonce);
  }

  async receipt(sendId: SendId): Promise<Receipt | undefined> {
    const stored = await this.#store.get(sendId);
    return stored === undefined ? undefined : this.#receipts.of(sendId, stored.record.nonce);
  }

  entries(): AsyncIterable<OutboxEntry> {
    return this.#queue.entries();
  }

  async retry(sendId: SendId): Promise<void> {
    await this.#queue.retry(sendId);
    await this.#told(sendId);
    this.#wake();
  }

  async cancel(sendId: SendId): Promise<void> {
    await this.#queue.cancel(sendId);
    await this.#told(sendId);
  }

  estimateFee(bodyBytes: number, as: 'worker' | 'account' = 'worker'): Promise<bigint> {
    return feeOf(this.#work, bodyBytes, as);
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
    await this.#store.takeOver();
    await this.#poster.load();
    for (const loop of this.#loops) loop.open();
    this.#following = Promise.all((['finalized', 'best'] as const).map((finality) => this.#follow(finality)));
  }

  /** Each new head may change what is possible; where the stream of them fails it is taken up again. */
  async #follow(finality: Finality): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted)
      try {
        for await (const _ of this.#options.chain.headEvents({ finality }, signal))
          for (const loop of this.#loops) loop.resume();
      } catch (error) {
        this.#setback(error);
        if (isRelayError(error, 'chain-stopped')) return;
        await pause(followAgainMs, signal);
      }
  }

  async #stop(): Promise<void> {
    this.#stopping.abort(new RelayError('aborted'));
    await this.#starting?.catch(() => undefined);
    await Promise.all([this.#following, ...this.#loops.map((loop) => loop.stop())]);
    await Promise.all([this.#poster.stop(), this.#relayLane.stop()]);
    this.#receipts.end();
  }

  get #loops(): readonly StepLoop[] {
    return [this.#relayLoop, this.#chainLoop, this.#receiptsLoop];
  }

  /** Throws too-large-for-chain. */
  #checkSize(record: Pick<MessageRecord, 'suite' | 'bodyBytes'>): void {
    const bytes = payloadBytes(record);
    const limit = this.#options.chain.info.maxExtrinsicBytes - extrinsicOverhead;
    if (bytes > limit) throw new RelayError('too-large-for-chain', { details: { bytes, limit } });
  }

  #wake(): void {
    this.#relayLoop.wake();
    this.#chainLoop.wake();
  }

  /** Something is out of reach: what is queued stays, and is tried again. */
  #setback(error: unknown): void {
    if (this.#stopping.signal.aborted) return;
    const known = asRelayError(error, 'outbox-setback');
    this.#options.onSetback?.(known);
    if (known.code === 'outbox-replaced') void this.stop();
  }

  async #told(sendId: SendId): Promise<void> {
    const stored = await this.#store.get(sendId);
    if (stored !== undefined) this.#receipts.tell(sendId, stored.record.progress);
  }

  async #save(
    change: Change,
    from: readonly Stored[],
    statuses: readonly (readonly [SendId, Progress])[],
  ): Promise<boolean> {
    if (!(await this.#store.commit(change, from))) return false;
    for (const [id, status] of statuses) this.#receipts.tell(id, status);
    return true;
  }

  async #finish(ends: readonly (readonly [Stored, Progress])[], change = new Change()): Promise<boolean> {
    for (const [stored, progress] of ends) {
      const { id, record } = stored;
      change.progress(stored, progress).done(id);
      // A failed one may be retried.
      if (progress.state !== 'failed') change.dropBody(id);
      else for (const lane of ['relay', record.as] as const) change.unqueue(id, lane);
    }
    const isSaved = await this.#save(
      change,
      ends.map(([stored]) => stored),
      ends.map(([{ id }, progress]) => [id, progress]),
    );
    if (isSaved) await this.#prune(ends.length);
    return isSaved;
  }

  /** Forgets the oldest of those whose end is known. */
  async #prune(more: number): Promise<void> {
    const { keepDone = defaultKeepDone } = this.#options;
    this.#doneCount = (this.#doneCount ?? (await this.#store.done(Infinity)).length - more) + more;
    if (this.#doneCount < keepDone + pruneStep) return;
    const oldest = await this.#store.done(this.#doneCount - keepDone);
    const change = new Change();
    for (const id of oldest) change.forget(id);
    await this.#store.commit(change);
    this.#doneCount -= oldest.length;
  }
}

/** Forgotten at a time. */
const pruneStep = 256;

/** A step after which there is nothing more to do until something happens. */
function once(step: () => Promise<void>): () => Promise<boolean> {
  return async () => {
    await step();
    return false;
  };
}
