import type { Observable } from 'rxjs';
import type { BlockNumber, Chain, Finality, Head, OutboundMessage } from '../chain/index.ts';
import { ReplayWindow } from '../channel/index.ts';
import { equalBytes, messageId, topicOf, type Hex } from '../codec/index.ts';
import { asRelayError } from '../errors/index.ts';
import type { TransactionalStore } from '../store/index.ts';
import type { Vault } from '../vault/index.ts';
import { admitFromChain, admitFromRelay, type Accepted, type AdmissionContext } from './admission.ts';
import type { ChainSink } from './chain-sink.ts';
import { deadLetterWrite, reasonOfDeath } from './dead-letters.ts';
import { Dispatcher } from './dispatcher.ts';
import { followBest } from './follow-best.ts';
import { followFinalized } from './follow-finalized.ts';
import { InboxStore, type Sequence } from './inbox-store.ts';
import type { Delivery, Inbox, InboxEvent } from './inbox.ts';
import type { MessageRecord } from './message-record.ts';
import { finalizeUpTo, removedBlocks, retractBlock } from './reorgs.ts';
import { serial } from './serial.ts';
import { startingPoint } from './starting-point.ts';

export interface InboxOptions {
  readonly chain: Chain;
  readonly vault: Vault;
  /** Its data must be used by one inbox at a time. */
  readonly store: TransactionalStore;
  /** Default finalized. best hands messages out early and takes them back on a reorg. */
  readonly finality?: Finality;
  /** First block to read where the store has no cursor yet. Default: the one after the present head. */
  readonly from?: BlockNumber;
  /** Whether an id is a registered worker. Default: not known, false. */
  readonly isRegistered?: (id: Hex) => boolean;
  /** How long seen nonces are kept, ms. Default 30 days. */
  readonly retentionMs?: number;
  /** Unix time, ms. Default Date.now. */
  readonly now?: () => number;
}

/** The inbox of the vault's entity: start it, then subscribe to `events$` and acknowledge what is handled. */
export function createInbox(options: InboxOptions): Inbox {
  return new StoredInbox(options);
}

class StoredInbox implements Inbox {
  readonly ready: Promise<void>;
  readonly #options: InboxOptions;
  readonly #topic: Uint8Array;
  readonly #store: InboxStore;
  readonly #window: ReplayWindow;
  readonly #context: AdmissionContext;
  readonly #dispatcher: Dispatcher;
  readonly #inTurn = serial();
  readonly #stopping = new AbortController();
  #markReady: () => void = () => undefined;
  #markFailed: (error: unknown) => void = () => undefined;
  #starting: Promise<void> | undefined;
  #reading: Promise<void> | undefined;
  #sequence: Sequence = 0n;
  #highest: BlockNumber = -1;
  #finalized: Head | undefined;

  constructor(options: InboxOptions) {
    const { vault, chain, store, now = Date.now, retentionMs } = options;
    this.#options = options;
    this.#topic = topicOf(vault.identity);
    this.#store = new InboxStore(store);
    this.#window = new ReplayWindow(store, retentionMs === undefined ? { now } : { now, retentionMs });
    const { genesisHash } = chain;
    this.#context = { vault, genesisHash, window: this.#window, store: this.#store, now };
    this.#dispatcher = new Dispatcher(this.#store, (sequence, record) => this.#delivery(sequence, record));
    this.ready = new Promise((resolve, reject) => {
      this.#markReady = resolve;
      this.#markFailed = reject;
    });
    this.ready.catch(() => undefined);
  }

  get events$(): Observable<InboxEvent> {
    return this.#dispatcher.events$;
  }

  start(): Promise<void> {
    this.#starting ??= this.#start().catch((error: unknown) => {
      this.#markFailed(error);
      throw error;
    });
    return this.#starting;
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#reading;
    await this.#inTurn(async () => undefined);
    await this.#dispatcher.stop();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  accept(envelope: Uint8Array, options: { readonly skipClockCheck?: boolean } = {}): Promise<'accepted' | 'duplicate'> {
    return this.#inTurn(async () => {
      await this.#loadSequence();
      const accepted = await admitFromRelay(this.#context, envelope, this.#sequence, options.skipClockCheck ?? false);
      if (accepted === undefined) return 'duplicate';
      const isApplied = await this.#store.commit(accepted.writes, accepted.expectations);
      if (!isApplied) return 'duplicate';
      this.#announce(accepted);
      return 'accepted';
    });
  }

  async #start(): Promise<void> {
    const { chain, finality = 'finalized' } = this.#options;
    const { signal } = this.#stopping;
    await this.#store.claim(chain.genesisHash);
    await this.#inTurn(() => this.#loadSequence());
    const cursor = await startingPoint(chain, this.#store, this.#options.from, signal);
    if (finality === 'best')
      for (const hash of await removedBlocks(this.#store, chain, signal)) await this.#inTurn(() => this.#retract(hash));
    const follow = finality === 'best' ? followBest : followFinalized;
    this.#reading = follow(chain, cursor, this.#sink(), signal).catch((error: unknown) => {
      if (!signal.aborted) this.#fail(error);
    });
  }

  /** What the followers of the chain do here, in turn with the relay's messages. */
  #sink(): ChainSink {
    return {
      takeBlock: (head, messages, isFinal) => this.#inTurn(() => this.#takeBlock(head, messages, isFinal)),
      retract: (hash) => this.#inTurn(() => this.#retract(hash)),
      finalize: (head) => this.#inTurn(() => this.#finalize(head)),
      markReady: () => {
        this.#markReady();
      },
    };
  }

  async #retract(hash: Hex): Promise<void> {
    const ids = await retractBlock(this.#store, this.#window, this.#context.genesisHash, hash);
    for (const id of ids) this.#dispatcher.notify({ type: 'retracted', messageId: id });
  }

  async #finalize(head: Head): Promise<void> {
    this.#finalized = head;
    await this.#settle();
  }

  // The follower of best may be behind the finalized head: then its next block settles.
  async #settle(): Promise<void> {
    const head = this.#finalized;
    if (head === undefined || head.number > this.#highest) return;
    this.#finalized = undefined;
    if (head.number > ((await this.#store.cursor())?.number ?? -1)) await finalizeUpTo(this.#store, head);
  }

  // One message is one transaction; the last carries the cursor. What a crash cuts off is read again, and the window
  // knows what it had.
  async #takeBlock(head: Head, messages: readonly OutboundMessage[], isFinal: boolean): Promise<void> {
    const block = { number: head.number, hash: head.hash, isFinal };
    for (const message of messages) {
      if (!equalBytes(message.destination, this.#topic)) continue;
      const accepted = await admitFromChain(this.#context, message, block, this.#sequence);
      if (accepted === undefined) continue;
      if (await this.#store.commit(accepted.writes, accepted.expectations)) this.#announce(accepted);
    }
    this.#highest = Math.max(this.#highest, head.number);
    if (isFinal) await this.#store.commit([this.#store.cursorWrite(head)]);
    else await this.#settle();
  }

  #announce({ outcome }: Accepted): void {
    if (outcome.type === 'reinstated') {
      const { sequence, messageId: id } = outcome;
      this.#dispatcher.reinstate(sequence, { type: 'reinstated', messageId: id });
      return;
    }
    this.#sequence++;
    if (outcome.type === 'dead') this.#dispatcher.notify(outcome);
    else this.#dispatcher.wake();
  }

  async #loadSequence(): Promise<void> {
    this.#sequence = await this.#store.nextSequence();
  }

  // undefined: its key was erased since it was accepted, or the like; it becomes a dead letter.
  async #delivery(sequence: Sequence, record: MessageRecord): Promise<Delivery | undefined> {
    const { genesisHash, vault } = this.#context;
    const id = messageId({ genesisHash, envelope: record.envelope });
    try {
      const { header, body } = await vault.open({ genesisHash, envelope: record.envelope });
      const { isRegistered = () => false } = this.#options;
      return {
        ...header,
        messageId: id,
        suite: 'v1',
        via: record.block === undefined ? 'relay' : 'chain',
        ...(record.block === undefined ? {} : { block: record.block.number }),
        body,
        registered: header.fromKind === 'worker' && isRegistered(header.from),
        ack: () => this.#acknowledge(sequence),
      };
    } catch (error) {
      const { code } = reasonOfDeath(error);
      const letter = deadLetterWrite(sequence, { envelope: record.envelope, code });
      await this.#store.commit([letter, this.#store.recordWrite(sequence, undefined)]);
      this.#dispatcher.notify({ type: 'dead', messageId: id, from: undefined, code });
      return undefined;
    }
  }

  #acknowledge(sequence: Sequence): Promise<void> {
    return this.#inTurn(async () => {
      const record = await this.#store.record(sequence);
      if (record !== undefined && !record.isAcknowledged) {
        const kept = record.isFinal ? undefined : { ...record, isAcknowledged: true };
        await this.#store.commit([this.#store.recordWrite(sequence, kept)]);
      }
      this.#dispatcher.acknowledged(sequence);
    });
  }

  #fail(error: unknown): void {
    const known = asRelayError(error, 'inbox-stopped');
    this.#markFailed(known);
    this.#dispatcher.fail(known);
  }
}
