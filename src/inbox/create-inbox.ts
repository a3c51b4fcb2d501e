import { filter, map, type Observable } from 'rxjs';
import type { BlockId, BlockNumber, Finality } from '../chain/index.ts';
import { ReplayWindow } from '../channel/index.ts';
import { topicOf, type Hex } from '../codec/index.ts';
import { asRelayError, RelayError } from '../errors/index.ts';
import { tell } from '../signals/index.ts';
import type { TransactionalStore } from '../store/index.ts';
import type { Vault } from '../vault/index.ts';
import { checkOptions } from './check-options.ts';
import { Dispatcher } from './dispatcher.ts';
import { followBest } from './follow-best.ts';
import { followFinalized, type FollowParts, type GapPolicy } from './follow-finalized.ts';
import { handleAll } from './handle.ts';
import type { Bounds } from './in-flight.ts';
import type { InboxChain } from './inbox-chain.ts';
import { InboxStore } from './inbox-store.ts';
import type { Accepted, AcceptOptions, Delivery, HandleOptions, Inbox, InboxEvent } from './inbox.ts';
import { Ledger } from './ledger.ts';
import { retryLetters, retryUnread, type Retried, type RetryParts } from './retry-letters.ts';
import { startingPoint } from './starting-point.ts';
import { storedStream } from './stored-stream.ts';
import { Transactions } from './transactions.ts';

/** Between two looks whether another process accepted something, as `khala-relay inbox retry` does. */
const lookMs = 2_000;

export interface InboxOptions {
  /** Inboxes over the same one share what is read of it. */
  readonly chain: InboxChain;
  readonly vault: Vault;
  /** Its data must be used by one inbox at a time. */
  readonly store: TransactionalStore;
  /** Default finalized. best hands messages out early and takes them back on a reorg. */
  readonly finality?: Finality;
  /**
   * First block to read where nothing was read yet, or head: the one after the present head. Default: as it was given
   * before, else head.
   */
  readonly from?: BlockNumber | 'head';
  /**
   * Whether messages, and that there are no others, are read by proofs. true: or not at all (proofs-unavailable). false: as
   * the node gives them. Default: where the node can; a node that lies can say that it can't.
   */
  readonly verify?: boolean;
  /** What to do about blocks of which no endpoint has the state any more. Default stop, with blocks-missing. */
  readonly onGap?: GapPolicy;
  /** Whether an id is a registered worker. Default: not known, false. */
  readonly isRegistered?: (id: Hex) => boolean;
  /**
   * Told what is worth knowing and holds nothing up: reading-from, with the first block, where nothing was read before and
   * none was given, and already-read where `from` is a number and something was.
   */
  readonly onNotice?: (notice: RelayError) => void;
  /** Of what is handed out and not acknowledged, at most. One sender alone has half of it. Default 1 024, 16 MiB. */
  readonly inFlight?: Bounds;
  /** How long seen nonces are kept, ms. Default 30 days. */
  readonly retentionMs?: number;
  /** Unix time, ms. Default Date.now. */
  readonly now?: () => number;
}

/** The inbox of the vault's entity: start it, then subscribe to `events$` and acknowledge what is handled. Throws bad-value. */
export function createInbox(options: InboxOptions): Inbox {
  checkOptions(options);
  return new StoredInbox(options);
}

class StoredInbox implements Inbox {
  readonly ready: Promise<void>;
  readonly #options: InboxOptions;
  readonly #store: InboxStore;
  readonly #window: ReplayWindow;
  readonly #transactions: Transactions;
  readonly #ledger: Ledger;
  readonly #retryParts: RetryParts;
  readonly #dispatcher: Dispatcher;
  readonly #stopping = new AbortController();
  /** Fires when it is to read no more: it is stopped, or has failed. */
  readonly #ending = new AbortController();
  /** The store is marked as this chain's. */
  #isOurs = false;
  #markReady: () => void = () => undefined;
  #markFailed: (error: unknown) => void = () => undefined;
  #starting: Promise<void> | undefined;
  #reading: Promise<unknown> | undefined;
  #looking: ReturnType<typeof setInterval> | undefined;
  #look: Promise<void> | undefined;

  constructor(options: InboxOptions) {
    const { vault, chain, store, now = Date.now, retentionMs, isRegistered = () => false, inFlight } = options;
    const { genesisHash } = chain;
    this.#options = options;
    this.#store = new InboxStore(store);
    this.#window = new ReplayWindow(store, retentionMs === undefined ? { now } : { now, retentionMs });
    const parts = { store: this.#store, window: this.#window };
    this.#transactions = new Transactions({
      ...parts,
      onAccepted: (outcomes, next) => {
        this.#dispatcher.offer(outcomes, next);
      },
      onDone: (sequences) => {
        this.#dispatcher.acknowledged(sequences);
      },
    });
    this.#retryParts = { ...parts, vault, genesisHash, now };
    this.#ledger = new Ledger(this.#transactions, { ...this.#retryParts, isRegistered });
    const stream = storedStream({
      ...{ store: this.#store, transactions: this.#transactions, vault, genesisHash },
      leave: (sequence) => {
        this.#dispatcher.left(sequence);
      },
    });
    const onFailure = (error: unknown): void => {
      this.#fail(error);
    };
    this.#dispatcher = new Dispatcher({ ...stream, isRegistered, onFailure, ...(inFlight && { most: inFlight }) });
    this.ready = new Promise((resolve, reject) => {
      this.#markReady = resolve;
      this.#markFailed = reject;
    });
    this.ready.catch(() => undefined);
  }

  get events$(): Observable<InboxEvent> {
    return this.#dispatcher.events$;
  }

  get messages$(): Observable<Delivery> {
    return this.events$.pipe(
      filter((event) => event.type === 'message'),
      map(({ delivery }) => delivery),
    );
  }

  handle(handler: (delivery: Delivery) => Promise<void> | void, options?: HandleOptions): Promise<void> {
    return handleAll(this.events$, handler, options ?? {});
  }

  start(): Promise<void> {
    this.#starting ??= this.#start().catch((error: unknown) => {
      if (!this.#stopping.signal.aborted) this.#fail(error);
      throw error;
    });
    return this.#starting;
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#endReading();
    this.#markFailed(new RelayError('aborted'));
    await this.#starting?.catch(() => undefined);
    await this.#reading;
    await this.#look;
    await this.#dispatcher.stop();
    await this.#transactions.settled();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async accept(
    envelope: Uint8Array,
    { skipClockCheck = false, keepDead = false }: AcceptOptions = {},
  ): Promise<Accepted> {
    if (!this.#isOurs) await this.#claim();
    const toleranceMs = skipClockCheck ? { toleranceMs: this.#window.retentionMs } : {};
    const outcome = await this.#ledger.takeRelayed({ envelope, posting: undefined, isKept: keepDead, ...toleranceMs });
    if (outcome.type === 'refused') throw outcome.error;
    if (outcome.type === 'dead') return 'dead';
    return outcome.type === 'seen' ? 'duplicate' : 'accepted';
  }

  retry(letters?: readonly bigint[]): Promise<readonly Retried[]> {
    return retryLetters(this.#transactions, this.#retryParts, letters);
  }

  /** What the store has of another chain, or in another layout, is not to be mixed with what is taken: durable before it. */
  async #claim(): Promise<void> {
    const { genesisHash } = this.#options.chain;
    for (;;) {
      const expected = this.#store.genesisExpectation(await this.#store.genesisHash());
      if (await this.#transactions.begin(await this.#store.claimWrites(genesisHash), expected)) break;
    }
    this.#isOurs = true;
  }

  async #start(): Promise<void> {
    const { chain, vault, finality = 'finalized', verify, onGap = 'stop', now = Date.now } = this.#options;
    const { signal } = this.#ending;
    const cursor = await this.#begin();
    if (signal.aborted) return;
    // Before what its senders sent after it.
    await retryUnread(this.#transactions, this.#retryParts);
    const parts: FollowParts = {
      chain,
      ledger: this.#ledger,
      options: { topics: [topicOf(vault.identity)], ...(verify === undefined ? {} : { verify }) },
      onGap,
      now,
      markReady: () => {
        this.#markReady();
      },
    };
    const follow = finality === 'best' ? followBest : followFinalized;
    this.#reading = follow(parts, cursor, signal).catch((error: unknown) => {
      if (!signal.aborted) this.#fail(error);
    });
    this.#looking = setInterval(() => {
      this.#look ??= this.#lookOnce().finally(() => (this.#look = undefined));
    }, lookMs);
    this.#looking.unref();
  }

  /** The block after which reading begins; durable, and told. */
  async #begin(): Promise<BlockId> {
    const { chain, from, verify, onNotice } = this.#options;
    const { retentionMs } = this.#window;
    for (;;) {
      const start = await startingPoint(chain, this.#store, { from, verify, retentionMs }, this.#stopping.signal);
      if (!(await this.#transactions.begin(start.claim, start.expected))) continue;
      const { notice } = start;
      if (notice !== undefined) tell(() => onNotice?.(notice));
      return start.cursor;
    }
  }

  /** Hands out what another process accepted, and what the vault opens since its file can be read again. */
  async #lookOnce(): Promise<void> {
    try {
      await retryUnread(this.#transactions, this.#retryParts);
      if (await this.#transactions.isBehind()) this.#dispatcher.wake();
    } catch (error) {
      if (!this.#stopping.signal.aborted) this.#fail(error);
    }
  }

  #endReading(): void {
    this.#ending.abort();
    clearInterval(this.#looking);
  }

  #fail(error: unknown): void {
    const known = asRelayError(error, 'inbox-stopped');
    this.#endReading();
    this.#markFailed(known);
    this.#dispatcher.fail(known);
  }
}
