import { BehaviorSubject, type Observable } from 'rxjs';
import type { Account, Chain, Head } from '../chain/index.ts';
import { encodeSignedEnvelope } from '../codec/index.ts';
import { decodeV1 } from '../crypto/core.ts';
import { sealMessage, type KeyDirectory, type NonceClock, type RecipientKeyOptions } from '../channel/index.ts';
import { asRelayError, RelayError } from '../errors/index.ts';
import type { TransactionalStore } from '../store/index.ts';
import type { Vault } from '../vault/index.ts';
import { findPosted } from './find-posted.ts';
import { OutboxStore, type SendId } from './outbox-store.ts';
import type { OffChainCarrier } from './off-chain-carrier.ts';
import type { Arrival, Outbox, Posted, Receipt, SendMessage, SendStatus } from './outbox.ts';
import { post } from './post.ts';
import type { QueuedMessage } from './queued-message.ts';
import { receiptOf } from './receipt.ts';

// Call, signature, era, nonce and tip around the payload, with room to spare.
const extrinsicOverhead = 1024;
const messagesPerExtrinsic = 100;
// Blocks that a mortal extrinsic may still be included in (chain.submit uses era 64), and some for the best head.
const eraBlocks = 72;
const retryMs = 1_000;

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
  /** Told whenever the chain or the store is out of reach; what is queued stays and is tried again each second. */
  readonly onSetback?: (error: RelayError) => void;
}

/** A queue that posts what was sent as soon as it is started, in order, oldest first. */
export function createOutbox(options: OutboxOptions): Outbox {
  return new StoredOutbox(options);
}

type Queued = readonly [SendId, QueuedMessage];

class StoredOutbox implements Outbox {
  readonly #options: OutboxOptions;
  readonly #store: OutboxStore;
  readonly #stopping = new AbortController();
  readonly #statuses = new Map<SendId, BehaviorSubject<SendStatus>>();
  #running: Promise<void> | undefined;
  #isStarted = false;
  #isWoken = false;
  #unsubscribe: () => void = () => undefined;

  constructor(options: OutboxOptions) {
    this.#options = options;
    this.#store = new OutboxStore(options.store);
  }

  send(message: SendMessage & { readonly via: 'chain' }): Promise<Receipt<Arrival & Posted>>;
  send(message: SendMessage): Promise<Receipt>;
  async send({ to, body, as = 'worker', via = 'auto', nonce }: SendMessage): Promise<Receipt> {
    const { chain, account, carrier } = this.#options;
    if (as === 'account' && via === 'relay')
      throw new RelayError('off-chain-only-v1', { details: { reason: 'the sender is an account' } });
    const needsAccount = as === 'account' || via === 'chain' || (via === 'auto' && carrier === undefined);
    if (needsAccount && account === undefined) throw new RelayError('no-account');
    const sealed = await sealMessage(
      { ...this.#options, genesisHash: chain.genesisHash },
      {
        to,
        body,
        ...(as === 'account' && account !== undefined ? { account: account.id } : {}),
        ...(nonce === undefined ? {} : { nonce }),
      },
    );
    const limit = chain.info.maxExtrinsicBytes - extrinsicOverhead;
    if (sealed.envelope.length > limit)
      throw new RelayError('too-large-for-chain', { details: { bytes: sealed.envelope.length, limit } });
    const way = as === 'account' ? 'chain' : via;
    const sendId = await this.#store.append({ envelope: sealed.envelope, as, via: way, progress: { state: 'queued' } });
    const status$ = this.#status(sendId, { state: 'queued' });
    this.#wake();
    return receiptOf(sendId, sealed, status$);
  }

  async start(): Promise<void> {
    if (this.#isStarted) return;
    this.#isStarted = true;
    const heads = this.#options.chain.heads$({ finality: 'finalized' }).subscribe({
      next: () => {
        this.#wake();
      },
      error: () => {
        this.#wake();
      },
    });
    this.#unsubscribe = () => {
      heads.unsubscribe();
    };
    this.#wake();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#unsubscribe();
    await this.#running;
    for (const status$ of this.#statuses.values()) status$.complete();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  #wake(): void {
    this.#isWoken = true;
    if (!this.#isStarted || this.#stopping.signal.aborted) return;
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
      if (this.#isWoken) this.#wake();
    });
  }

  async #run(): Promise<void> {
    while (this.#isWoken && !this.#stopping.signal.aborted) {
      this.#isWoken = false;
      try {
        await this.#advance();
      } catch (error) {
        this.#retryLater(error);
        return;
      }
    }
  }

  // The chain or the store is out of reach: what is queued stays, and is tried again.
  #retryLater(error: unknown): void {
    if (this.#stopping.signal.aborted) return;
    this.#options.onSetback?.(asRelayError(error, 'outbox-setback'));
    setTimeout(() => {
      this.#wake();
    }, retryMs).unref();
  }

  async #advance(): Promise<void> {
    const messages = await this.#store.all();
    for (const queued of messages) await this.#settle(queued);
    const queued = (await this.#store.all()).filter(([, { progress }]) => progress.state === 'queued');
    for (const each of queued) await this.#carry(each);
    if (this.#options.account === undefined) return;
    const waiting = (await this.#store.all()).filter(
      ([, { progress, via }]) => progress.state === 'queued' && via !== 'relay',
    );
    const [first] = waiting;
    if (first === undefined) return;
    const others = waiting.findIndex(([, { as }]) => as !== first[1].as);
    await this.#post(this.#fitting(others < 0 ? waiting : waiting.slice(0, others)));
    this.#isWoken = true;
  }

  /** Off chain, where it may go that way. What can not be carried stays queued. */
  async #carry([id, { envelope, via }]: Queued): Promise<void> {
    const { carrier, vault, chain } = this.#options;
    const { to } = decodeV1(envelope).header;
    if (via === 'chain' || carrier?.canReach(to) !== true) return;
    const signature = await vault.sign({ type: 'envelope', genesisHash: chain.genesisHash, envelope });
    const signed = encodeSignedEnvelope({ identity: vault.identity, signature, envelope });
    try {
      const carried = await carrier.carry(signed, to, this.#stopping.signal);
      await this.#finish(id, { state: 'relayed', ...carried });
    } catch (error) {
      this.#retryLater(error);
    }
  }

  #fitting(messages: readonly Queued[]): readonly Queued[] {
    let left = this.#options.chain.info.maxExtrinsicBytes;
    const fitting = messages.slice(0, messagesPerExtrinsic).filter(([, { envelope }]) => {
      left -= envelope.length + extrinsicOverhead;
      return left >= 0;
    });
    return fitting.length > 0 ? fitting : messages.slice(0, 1);
  }

  async #post(batch: readonly Queued[]): Promise<void> {
    const { signal } = this.#stopping;
    const { account } = this.#options;
    if (account === undefined) return;
    const { number: since } = await this.#options.chain.bestHead(signal);
    await this.#progress(batch, { state: 'submitted', since });
    try {
      const { blockHash, blockNumber } = await post(
        batch.map(([, message]) => message),
        { ...this.#options, account, signal },
      );
      await this.#progress(batch, { state: 'inBlock', blockHash, blockNumber });
    } catch (error) {
      await this.#recover(batch, error);
    }
  }

  async #recover(batch: readonly Queued[], error: unknown): Promise<void> {
    const known = asRelayError(error, 'outbox-setback');
    // Unknown whether it was included: it stays submitted, and #settle looks for it in blocks.
    if (this.#stopping.signal.aborted || unknownFate.has(known.code)) throw known;
    // Someone else posted with this worker's sequence meanwhile.
    if (isBadSequence(known)) return this.#progress(batch, { state: 'queued' });
    // One bad message must not sink the others.
    if (batch.length > 1) {
      for (const queued of batch) await this.#post([queued]);
      return;
    }
    await this.#fail(batch, known);
  }

  async #settle([id, message]: Queued): Promise<void> {
    const { chain } = this.#options;
    const { signal } = this.#stopping;
    const { progress } = message;
    if (progress.state === 'submitted') {
      const head = await findPosted(chain, message.envelope, progress.since, signal);
      if (head !== undefined) await this.#progress([[id, message]], inBlock(head));
      else if ((await chain.bestHead(signal)).number > progress.since + eraBlocks)
        await this.#progress([[id, message]], { state: 'queued' });
    }
    if (progress.state !== 'inBlock') return;
    const finalized = await chain.finalizedHead(signal);
    if (finalized.number < progress.blockNumber) return;
    const canonical = await chain.headAt(progress.blockNumber, signal);
    if (canonical?.hash === progress.blockHash) await this.#finish(id, { ...progress, state: 'finalized' });
    // A reorg took the block away; the extrinsic may stand in another one.
    else await this.#progress([[id, message]], { state: 'submitted', since: progress.blockNumber });
  }

  async #progress(batch: readonly Queued[], progress: QueuedMessage['progress']): Promise<void> {
    await this.#store.update(batch.map(([id, message]) => [id, { ...message, progress }]));
    for (const [id] of batch) this.#status(id, progress);
  }

  async #fail(batch: readonly Queued[], error: RelayError): Promise<void> {
    for (const [id] of batch) await this.#finish(id, { state: 'failed', error });
  }

  async #finish(id: SendId, status: SendStatus): Promise<void> {
    await this.#store.update([[id, undefined]]);
    this.#status(id, status);
    this.#statuses.get(id)?.complete();
    this.#statuses.delete(id);
  }

  #status(id: SendId, status: SendStatus): Observable<SendStatus> {
    const status$ = this.#statuses.get(id) ?? new BehaviorSubject<SendStatus>(status);
    this.#statuses.set(id, status$);
    status$.next(status);
    return status$.asObservable();
  }
}

const unknownFate: ReadonlySet<string> = new Set(['chain-unreachable', 'chain-stopped', 'aborted']);

function isBadSequence({ code, details }: RelayError): boolean {
  return code === 'dispatch-failed' && details?.['pallet'] === 'PhalaMq' && details['error'] === 'BadSequence';
}

function inBlock({ hash, number }: Head): QueuedMessage['progress'] {
  return { state: 'inBlock', blockHash: hash, blockNumber: number };
}
