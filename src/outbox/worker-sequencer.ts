import type { Call } from '../chain/index.ts';
import { RelayError } from '../errors/index.ts';
import { sealQueued, type Batch, type BatchItem, type BatchLimit } from './batch.ts';
import type { SignedMessage } from './flight.ts';
import { isFinished, topicOfMessage } from './message-record.ts';
import type { Stored } from './outbox-change.ts';
import type { Sealed } from './seal-kept.ts';
import type { SendId } from './send-id.ts';
import { fillerFor, type Filler } from './sequence-gap.ts';
import { SignedMessages, type Present, type Signed } from './signed-messages.ts';
import type { ChainWork } from './work.ts';
import { sequenceAt, signedSince } from './worker-sequence.ts';

/**
 * The sequence of a worker (protocol.md §10). A message is signed once and kept, since anyone may post what was signed. It is
 * signed anew when its sequence was used by something else in a finalized block, so that it can never come in twice; and, so
 * that none overtakes another, where something before it has to be: but not a command, which has no nonce by which a second
 * one would be known.
 */
export class WorkerSequencer {
  readonly #work: ChainWork;
  readonly #signed: SignedMessages;

  constructor(work: ChainWork) {
    this.#work = work;
    this.#signed = new SignedMessages(work);
  }

  load(): Promise<void> {
    return this.#signed.load();
  }

  /** As {@link SignedMessages.add}. */
  signed(stored: Stored, signed: SignedMessage): void {
    this.#signed.add(stored, signed);
  }

  /** As {@link SignedMessages.failed}. */
  failed(id: SendId): void {
    this.#signed.failed(id);
  }

  forget(id: SendId): void {
    this.#signed.forget(id);
  }

  /**
   * What to post next: first what was signed before and is in no block, then what is queued. `inFlight`: members of
   * extrinsics under way. Throws sequence-unsettled.
   */
  async batch(inFlight: ReadonlySet<SendId>, limit: BatchLimit): Promise<Batch | undefined> {
    const { chain, account, signal } = this.#work;
    if (account === undefined) return undefined;
    const [best, finalized] = await Promise.all([chain.bestHead(signal), chain.finalizedHead(signal)]);
    const [next, settled] = await Promise.all([best, finalized].map((head) => sequenceAt(this.#work, head)));
    if (next === undefined || settled === undefined) return undefined;
    const present = { finalized, best, next, settled };
    await this.#signed.lookForRetried(inFlight);
    if (!(await this.#signed.settle(inFlight, present))) return undefined;
    const ready = this.#signed.ready(inFlight, next);
    const [first] = ready;
    if (first === undefined) return this.#fresh(present, limit);
    // What came before is gone for good, as where it was given up; or something else had the sequence of one before.
    const isAsSigned = first[1].sequence === next && !(await this.#isOvertaking(ready));
    return isAsSigned ? this.#again(ready, next, limit) : this.#inOrder(ready, present, limit);
  }

  async #again(ready: readonly Signed[], next: bigint, limit: BatchLimit): Promise<Batch | undefined> {
    const room = await this.#room();
    const items: BatchItem[] = [];
    for (const [id, { sequence }] of ready.slice(0, limit.messages)) {
      if (sequence !== next + BigInt(items.length)) break;
      const item = await this.#signedItem(id);
      if (item === undefined || !room.take(item.envelope.length)) break;
      items.push(item);
    }
    return items.length === 0 ? undefined : { as: 'worker', items };
  }

  /** Whether one that waits was sent before these: they go behind it. */
  async #isOvertaking(ready: readonly Signed[]): Promise<boolean> {
    // One that is retried by hand waits, and is signed.
    const waiting = await this.#work.chainStore.waitingAsWorker(this.#signed.size + 1);
    const oldest = waiting.find(({ id }) => !this.#signed.has(id));
    return oldest !== undefined && ready.some(([id]) => id > oldest.id);
  }

  /**
   * All in the order in which they were sent. Messages are signed anew. A command goes as it is signed, behind fillers where
   * there is a gap before it; one whose sequence something before it takes waits until that is final, and is signed anew then.
   */
  async #inOrder(
    ready: readonly Signed[],
    { next, settled, finalized }: Present,
    limit: BatchLimit,
  ): Promise<Batch | undefined> {
    if (settled !== next) throw this.#unsettled(next, settled);
    const commands = new Map<SendId, bigint>();
    for (const [id, { sequence }] of ready) {
      const stored = await this.#work.store.get(id);
      if (stored === undefined) this.#signed.forget(id);
      else if (stored.record.suite === 'phala') commands.set(id, sequence);
      else await this.#signed.signAnew(stored);
    }
    if (commands.size === 0) {
      this.#work.wake();
      return undefined;
    }
    const since = await signedSince(this.#work, finalized);
    const queued = await sealQueued(this.#work, 'worker', limit);
    const sealed = new Map(queued.map((each) => [each.stored.id, each] as const));
    const [items, fillers]: [BatchItem[], Filler[]] = [[], []];
    const room = await this.#room();
    let sequence = next;
    const isFull = (): boolean => items.length + fillers.length >= limit.messages;
    for (const id of await this.#upToLast(commands, sealed)) {
      const own = commands.get(id);
      for (; own !== undefined && sequence < own && !isFull() && room.take(0); sequence++)
        fillers.push(await fillerFor(this.#work.vault, sequence));
      if (own !== undefined && own !== sequence) break;
      const message = sealed.get(id);
      const item =
        own === undefined ? message && (await this.#sign(message, sequence, since)) : await this.#signedItem(id);
      if (item === undefined || isFull() || !room.take(item.envelope.length)) break;
      items.push(item);
      sequence++;
    }
    return items.length + fillers.length === 0 ? undefined : { as: 'worker', items, fillers };
  }

  /** Those that are sealed or signed, oldest first, up to the first that is neither, or the last of the commands. */
  async #upToLast(commands: ReadonlyMap<SendId, bigint>, sealed: ReadonlyMap<SendId, Sealed>): Promise<SendId[]> {
    const waiting = await this.#work.chainStore.waitingAsWorker(sealed.size + this.#signed.size + 1);
    const left = waiting.find(({ id }) => !sealed.has(id) && !this.#signed.has(id))?.id;
    const last = [...commands.keys()].reduce((most, id) => (id > most ? id : most), 0n);
    const all = new Set([...commands.keys(), ...[...sealed.keys()].filter((id) => !this.#signed.has(id))]);
    return [...all].filter((id) => id <= last && (left === undefined || id < left)).sort((a, b) => (a < b ? -1 : 1));
  }

  async #fresh({ finalized, next, settled }: Present, limit: BatchLimit): Promise<Batch | undefined> {
    const after = (this.#signed.last ?? -1n) + 1n;
    const first = after > settled ? after : settled;
    // Before anything is sealed: it would be sealed again each time.
    const isIdle = (await this.#work.chainStore.waitingAsWorker(1)).length === 0;
    if (isIdle) return undefined;
    if (first < next) throw this.#unsettled(next, settled);
    const since = await signedSince(this.#work, finalized);
    const sealed = await sealQueued(this.#work, 'worker', limit);
    if (sealed.length === 0) return undefined;
    if (sealed.some(({ stored }) => this.#signed.has(stored.id))) {
      // Retried by hand meanwhile: it goes as it is signed.
      this.#work.wake();
      return undefined;
    }
    const items = await Promise.all(sealed.map((each, i) => this.#sign(each, first + BigInt(i), since)));
    return { as: 'worker', items };
  }

  #room() {
    const { chain, account, signal } = this.#work;
    if (account === undefined) throw new RelayError('no-account');
    return chain.batchRoom('sync-offchain-message', account, signal);
  }

  #unsettled(best: bigint, finalized: bigint): RelayError {
    return new RelayError('sequence-unsettled', { details: { worker: this.#work.vault.identity, best, finalized } });
  }

  /** undefined where another process has ended it. */
  async #signedItem(id: SendId): Promise<BatchItem | undefined> {
    const { store } = this.#work;
    const [stored, signed] = await Promise.all([store.get(id), store.signed(id)]);
    if (stored === undefined || signed === undefined || isFinished(stored.record.progress)) return undefined;
    const { envelope, messageId } = signed;
    return { stored, envelope, messageId, call: this.#call(stored, signed) };
  }

  async #sign(sealed: Sealed, sequence: bigint, since: number): Promise<BatchItem> {
    const { stored, envelope, messageId } = sealed;
    const message = { destination: topicOfMessage(stored.record), payload: envelope };
    const signature = await this.#work.vault.sign({ type: 'worker-message', ...message, sequence });
    const signed = { sequence, since, messageId, signature, envelope };
    return { ...sealed, call: this.#call(stored, signed), signed };
  }

  #call({ record }: Stored, { envelope, sequence, signature }: SignedMessage): Call {
    const message = { destination: topicOfMessage(record), payload: envelope };
    return { kind: 'sync-offchain-message', worker: this.#work.vault.identity, ...message, sequence, signature };
  }
}
