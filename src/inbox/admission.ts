import type { Arrival as SeenMessage, ChannelId, ReplayWindow, WindowBatch } from '../channel/index.ts';
import { messageId, type Header, type Hex } from '../codec/index.ts';
import { isVaultUnread, RelayError, type ErrorCode } from '../errors/index.ts';
import type { Write } from '../store/index.ts';
import type { Vault } from '../vault/index.ts';
import type { Arrival, OpenedMessage, Outcome, Posting } from './arrival.ts';
import { claimedSender, reasonOfDeath, type DeadLetter } from './dead-letter.ts';
import type { InboxStore } from './inbox-store.ts';
import { reinstateWrites, retractedBefore } from './reorgs.ts';
import { RelayedLetters } from './relayed-letters.ts';
import { checkRelayed, checkSender } from './sender-checks.ts';
import type { MessageRecord, Sequence, StreamItem } from './stream-item.ts';

export interface AdmissionContext {
  readonly vault: Vault;
  readonly genesisHash: Hex;
  readonly window: ReplayWindow;
  readonly store: InboxStore;
  /** Unix time, ms. */
  readonly now: () => number;
  /** Whether an id is a registered worker. */
  readonly isRegistered: (id: Hex) => boolean;
  /** Whether the store holds a retracted message at all. */
  readonly hasRetracted: boolean;
}

/** One transaction: what to write, and what it means. */
export interface Admitted {
  readonly writes: readonly Write[];
  /** Sequence after it. */
  readonly next: Sequence;
  /** In the order of the arrivals. */
  readonly outcomes: readonly Outcome[];
}

/** Opens messages, in order. Throws where that fails for this machine's sake. */
export async function openAll(
  { vault, genesisHash }: Pick<AdmissionContext, 'vault' | 'genesisHash'>,
  arrivals: readonly { readonly envelope: Uint8Array }[],
): Promise<(OpenedMessage | RelayError)[]> {
  const opened = await vault.openAll({ genesisHash, envelopes: arrivals.map(({ envelope }) => envelope) });
  for (const each of opened) if (each instanceof RelayError) reasonOfDeath(each);
  return opened;
}

/** Decides on opened messages, in order. Reads the store and writes nothing. */
export async function admitAll(
  context: AdmissionContext,
  arrivals: readonly Arrival[],
  opened: readonly (OpenedMessage | RelayError)[],
  start: Sequence,
): Promise<Admitted> {
  const admission = new AdmissionOf(context, start);
  // Most need nothing of the store, and cost no turn of the event loop then.
  for (let i = 0; i < arrivals.length; i++) {
    const arrival = arrivals[i];
    if (arrival !== undefined && !admission.takeNow(arrival, opened[i])) await admission.take(arrival, opened[i]);
  }
  return admission.finish();
}

/** What is decided for one transaction. */
class AdmissionOf {
  readonly #context: AdmissionContext;
  readonly #start: Sequence;
  readonly #batch: WindowBatch;
  readonly #outcomes: Outcome[] = [];
  readonly #writes: Write[] = [];
  /** Appended from the first sequence on. */
  readonly #items: StreamItem[] = [];
  #relayed: RelayedLetters | undefined;
  #hasEarly = false;
  #next: Sequence;

  constructor(context: AdmissionContext, start: Sequence) {
    this.#context = context;
    this.#batch = context.window.begin();
    this.#start = start;
    this.#next = start;
  }

  /** False where the store has to be asked. */
  takeNow(arrival: Arrival, message: OpenedMessage | RelayError | undefined): boolean {
    if (this.#context.hasRetracted || message === undefined || message instanceof RelayError) return false;
    try {
      this.#check(arrival, message);
      const { header } = message;
      const isNew =
        arrival.posting?.isFinal === true
          ? this.#batch.admitFinalNow(header, header.nonce, this.#next)
          : this.#batch.admitNow(seenAs(arrival, header, this.#next));
      if (isNew === true) this.#accept(arrival, message);
      return isNew !== undefined;
    } catch {
      return false; // decided once more, with time to say what becomes of it
    }
  }

  async take(arrival: Arrival, message: OpenedMessage | RelayError | undefined): Promise<void> {
    try {
      if (message === undefined || message instanceof RelayError) throw message ?? new RelayError('open-failed');
      this.#check(arrival, message);
      const returned = this.#context.hasRetracted ? await retractedBefore(this.#context, arrival) : undefined;
      const isNew = await this.#batch.admit(seenAs(arrival, message.header, returned ?? this.#next));
      if (!isNew) await this.#pass(arrival, message.header);
      else if (returned === undefined) this.#accept(arrival, message);
      else await this.#reinstate(arrival, returned);
    } catch (error) {
      await this.#refuse(arrival, reasonOfDeath(error));
    }
  }

  async finish(): Promise<Admitted> {
    const { store } = this.#context;
    // What a reorg may take back has to be found and changed by itself.
    const items = this.#hasEarly
      ? this.#items.map((item, i) => store.itemWrite(this.#start + BigInt(i), item))
      : store.runWrites(this.#start, this.#items);
    const seen = await this.#batch.finish();
    return { writes: [...this.#writes, ...items, ...seen], next: this.#next, outcomes: this.#outcomes };
  }

  #check(arrival: Arrival, { header }: OpenedMessage): void {
    if (arrival.posting === undefined) checkRelayed(header, arrival, this.#context.now());
    else checkSender(header, arrival.posting.sender);
  }

  #accept(arrival: Arrival, opened: OpenedMessage): void {
    const record = recordOf(arrival);
    this.#outcomes.push({ type: 'message', sequence: this.#next, record, opened });
    this.#noteEarly(arrival, this.#next);
    this.#append(record);
  }

  /** What a relay brings it believes to be here: it is kept for as long as a reorg may take what came before it. */
  async #pass({ envelope, posting }: Arrival, header: Header): Promise<void> {
    const { store, window } = this.#context;
    this.#outcomes.push({ type: 'seen' });
    const before = posting === undefined ? await window.find(header, header.nonce) : undefined;
    if (before !== undefined && (await isEarly(store, before)))
      this.#writes.push(store.early.copyWrite(before, envelope));
  }

  async #reinstate(arrival: Arrival, returned: Sequence): Promise<void> {
    this.#noteEarly(arrival, returned);
    const record = recordOf(arrival);
    const { writes, notice } = await reinstateWrites(this.#context, returned, record);
    this.#writes.push(...writes);
    this.#append(notice);
    const { messageId: id } = notice;
    if (record.isFinal) this.#append({ kind: 'finalized', of: returned, messageId: id, isProven: record.isProven });
    this.#outcomes.push({ type: 'reinstated', sequence: returned });
  }

  async #refuse(arrival: Arrival, error: RelayError): Promise<void> {
    if (arrival.posting === undefined) await this.#refuseRelayed(arrival, error);
    else this.#bury(arrival, error);
  }

  async #refuseRelayed(arrival: Arrival, error: RelayError): Promise<void> {
    const { store, genesisHash, isRegistered } = this.#context;
    const { envelope, isKept = false } = arrival;
    const id = messageId({ genesisHash, envelope });
    if (isKept) this.#relayed ??= await RelayedLetters.of(store);
    if (this.#relayed?.has(id) === true) {
      this.#outcomes.push({ type: 'seen' });
      return;
    }
    const from = claimedSender(envelope);
    const mark = { messageId: id, isRegistered: from !== undefined && isRegistered(from), bytes: envelope.length };
    const isUnread = isVaultUnread(error);
    const writes = isKept ? this.#relayed?.add(this.#next, mark, isUnread) : undefined;
    // Mail of strangers that has no place is not to wait at a relay before that of others.
    const isFinal = isKept && isUnread && !mark.isRegistered;
    if (writes === undefined)
      this.#outcomes.push({
        type: 'refused',
        error: isFinal ? new RelayError('open-failed', { cause: error }) : error,
      });
    else {
      this.#bury(arrival, error);
      this.#writes.push(...writes);
    }
  }

  #bury({ envelope, posting }: Arrival, { code }: RelayError): void {
    const letter = this.#next;
    this.#writes.push(...this.#context.store.letters.writes(letter, letterOf(envelope, posting, code)));
    this.#noteEarly({ posting }, letter);
    this.#append({ kind: 'dead', letter });
    this.#outcomes.push({ type: 'dead', sequence: letter, code });
  }

  #noteEarly({ posting }: Pick<Arrival, 'posting'>, sequence: Sequence): void {
    if (posting === undefined || posting.isFinal) return;
    this.#hasEarly = true;
    this.#writes.push(this.#context.store.early.messageWrite(posting.block.number, sequence, true));
  }

  #append(item: StreamItem): void {
    this.#items.push(item);
    this.#next += 1n;
  }
}

/** Of an accepted message, or the dead letter that it became. */
async function isEarly(store: InboxStore, sequence: Sequence): Promise<boolean> {
  const item = await store.item(sequence);
  const kept = item?.kind === 'message' ? item : await store.letters.get(sequence);
  return kept?.isFinal === false;
}

function seenAs({ posting }: Arrival, header: Header, tag: Sequence): SeenMessage {
  return {
    channel: header satisfies ChannelId,
    nonce: header.nonce,
    sentAt: header.sentAt,
    via: posting === undefined ? 'relay' : 'chain',
    isFinal: posting?.isFinal ?? false,
    tag,
  };
}

function letterOf(envelope: Uint8Array, posting: Posting | undefined, code: ErrorCode): DeadLetter {
  const { sender, block, isFinal = true, isProven = true } = posting ?? {};
  return { envelope, code, sender, block, isFinal, isProven, retries: 0 };
}

function recordOf({ envelope, posting }: Arrival): MessageRecord {
  return {
    kind: 'message',
    envelope,
    block: posting?.block,
    isFinal: posting?.isFinal ?? true,
    isAcknowledged: false,
    isRetracted: false,
    isReinstated: false,
    isWaiting: posting?.isFinal === false,
    isProven: posting?.isProven ?? true,
  };
}
