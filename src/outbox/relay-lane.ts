import { newerKey, type NewerKey } from '../channel/newer-key.ts';
import { encodeSignedEnvelope, type Hex } from '../codec/index.ts';
import { asRelayError, isLocalFailure, type RelayError } from '../errors/index.ts';
import type { Carried, OffChainCarrier } from './off-chain-carrier.ts';
import type { OffChainEntry } from './off-chain-entry.ts';
import { Change, type Stored } from './outbox-change.ts';
import type { Progress } from './message-record.ts';
import { ReadWatch } from './read-watch.ts';
import type { SendId } from './send-id.ts';
import { sealStored, type Sealed } from './seal-kept.ts';
import { Unreached } from './unreached.ts';
import { WaitingMessages, type NextMessage } from './waiting-messages.ts';
import type { Work } from './work.ts';

/** Recipients that are served at a time; to each one goes one message after the other. */
const maxRecipients = 16;
const pageSize = 256;
/** Of what was moved to the chain, the oldest, at a start. */
const mostTakenBack = 10_000;

/** Ids of one message that are remembered for an answer: of as many tries, since any of them may be the one that arrived. */
const idsAsked = 16;

/** No other try can help. */
const final: ReadonlySet<string> = new Set([
  ...['envelope-too-large', 'off-chain-only-v1', 'signer-mismatch', 'clock-skew', 'replay-too-old', 'bad-signature'],
  ...['unknown-recipient', 'unproven-key', 'bad-public-key', 'bad-shared-secret', 'kept-open-failed', 'from-self'],
]);

export interface RelayWork extends Work {
  readonly carrier: OffChainCarrier | undefined;
  /** A recipient has named a newer key than the directory has. */
  readonly onNewerKey: (to: Hex, key: NewerKey) => Promise<void> | void;
}

/** Hands messages to the carrier, in order for each recipient, and what it can't take to the chain. */
export class RelayLane {
  readonly #work: RelayWork;
  readonly #reads: ReadWatch;
  /** All that is in the queue, up to `#seen`. */
  readonly #waiting = new WaitingMessages();
  readonly #unreached: Unreached;
  /** Recipients whose messages are to go on chain, where they may. */
  readonly #lost = new Set<Hex>();
  /** Of recipients who named a newer key than the directory has. */
  readonly #newest = new Map<Hex, NewerKey>();
  /** Ids of messages under way that may be answered. */
  readonly #asked = new Map<SendId, Hex[]>();
  readonly #busy = new Map<Hex, Promise<void>>();
  /** Whose messages are being moved to the chain: none of them is handed over meanwhile. */
  #freeing: Hex | undefined;
  #seen: SendId = -1n;

  constructor(work: RelayWork) {
    this.#work = work;
    this.#reads = new ReadWatch(work, work.carrier);
    this.#unreached = new Unreached((to) => {
      this.#release(to);
      this.#fill();
    });
  }

  async load(): Promise<void> {
    await this.#takeBack();
    await this.#reads.load();
  }

  /**
   * Without an account nothing goes on chain: what an earlier outbox has moved there, and no extrinsic carries, waits for a way
   * off chain again. Whatever comes of a signature of it, its recipient takes its nonce once.
   */
  async #takeBack(): Promise<void> {
    const { store, account, carrier } = this.#work;
    if (account !== undefined || carrier === undefined) return;
    const flying = new Set((await store.flights()).flatMap(({ members }) => members));
    const signed = await Promise.all((await store.allSigned()).map(([id]) => store.get(id)));
    const moved = [...(await store.waitingAsWorker(mostTakenBack)), ...signed.filter((stored) => stored !== undefined)];
    for (const stored of moved) {
      const { id, record } = stored;
      if (record.via !== 'auto' || record.suite !== 'v1' || !isWaiting(stored) || flying.has(id)) continue;
      const change = new Change().progress(stored, { state: 'queued' }).unsign(id);
      change.unqueue(stored, 'worker').requeue(stored, 'relay');
      await this.#work.save(change, [stored], [[id, { state: 'queued' }]]);
    }
  }

  read(sendId: SendId): void {
    this.#reads.read(sendId);
  }

  /** Takes in what is new in the queue, and begins what can begin. */
  async step(): Promise<boolean> {
    await this.#takeIn();
    await this.#freeLost();
    this.#fill();
    return false;
  }

  /** Those that were not reached may be now. */
  hurry(): void {
    this.#unreached.hurry();
    this.#reads.hurry();
  }

  async stop(): Promise<void> {
    await Promise.allSettled(this.#busy.values());
    this.#unreached.stop();
    await this.#reads.stop();
  }

  /** Ids ascend, whoever queues: what is behind the last is new. */
  async #takeIn(): Promise<void> {
    const { store } = this.#work;
    for (;;) {
      const { entries, last } = await store.offChain(pageSize, this.#seen + 1n);
      if (last === undefined) break;
      for (const entry of entries) this.#add(entry);
      this.#seen = last;
    }
    for (;;) {
      const requeued = await store.requeued(pageSize);
      if (requeued.marks.length === 0) break;
      for (const entry of requeued.entries) this.#add(entry);
      await store.heard(requeued);
    }
  }

  #add(entry: OffChainEntry): void {
    this.#waiting.add(entry);
    const { to } = entry;
    if (this.#isOutOfReach(to)) this.#lose(to);
  }

  /** Where the recipient is not reached, none waits behind one that may go off chain only. */
  #lose(to: Hex): void {
    if (this.#work.account !== undefined) this.#lost.add(to);
  }

  async #freeLost(): Promise<void> {
    for (const to of [...this.#lost]) {
      this.#lost.delete(to);
      this.#freeing = to;
      try {
        await this.#free(to);
      } catch (error) {
        this.#lose(to);
        throw error;
      } finally {
        this.#freeing = undefined;
        this.#release(to);
      }
    }
  }

  /** Ends where the recipient is tried again: what comes of that tells where the rest goes. */
  async #free(to: Hex): Promise<void> {
    while (this.#isOutOfReach(to)) {
      const ids = this.#waiting.mayGoOnChain(to, pageSize);
      if (ids.length === 0) return;
      await this.#toChain(to, ids);
    }
  }

  #isOutOfReach(to: Hex): boolean {
    return this.#work.carrier === undefined || this.#unreached.isPausing(to);
  }

  #release(to: Hex): void {
    if (this.#busy.has(to) || this.#freeing === to || this.#unreached.isPausing(to)) return;
    this.#waiting.release(to);
  }

  #fill(): void {
    const { carrier, signal } = this.#work;
    if (carrier === undefined) return;
    while (this.#busy.size < maxRecipients && !signal.aborted) {
      const next = this.#waiting.take();
      if (next === undefined) return;
      this.#serve(next, carrier);
    }
  }

  #serve(next: NextMessage, carrier: OffChainCarrier): void {
    const { to } = next;
    const serving = this.#carryNext(next, carrier)
      .catch((error: unknown) => {
        if (this.#work.signal.aborted) return;
        this.#pause(to);
        this.#work.setback(error);
      })
      .finally(() => {
        this.#busy.delete(to);
        this.#release(to);
        this.#fill();
      });
    this.#busy.set(to, serving);
  }

  async #carryNext({ to, id }: NextMessage, carrier: OffChainCarrier): Promise<void> {
    const stored = await this.#work.store.get(id);
    if (stored !== undefined && isWaiting(stored)) await this.#carry(stored, carrier);
    // Another process has cancelled it.
    else this.#waiting.remove(to, id);
  }

  async #carry(stored: Stored, carrier: OffChainCarrier): Promise<void> {
    const { to } = stored.record;
    await this.#work.directory.load?.(to, this.#work.signal);
    if (!carrier.canReach(to)) {
      if (!(await this.#elsewhere(stored))) this.#pause(to);
      return;
    }
    let current: Stored | undefined = stored;
    try {
      const sealed = await sealStored(this.#work, stored, this.#newestOf(to));
      // From here on it can not be cancelled: the recipient may have it.
      current = await this.#mark(stored, { state: 'submitted', messageId: sealed.messageId }, sealed);
      if (current === undefined) return;
      const { messageId, carried } = await this.#toNewestKey({ ...sealed, stored: current }, carrier);
      this.#unreached.reached(to);
      const end = { state: 'relayed', messageId, ...carried } as const;
      await this.#finish(current, end);
      this.#asked.delete(stored.id);
      const ended = { ...current, record: { ...current.record, progress: end } };
      await this.#reads.carried(ended).catch(this.#work.setback);
    } catch (error) {
      // As it is when the process ends it is found again: it goes again, with its nonce.
      if (this.#work.signal.aborted || current === undefined) throw error;
      const waiting = await this.#mark(current, { state: 'queued' });
      if (isLocalFailure(error)) throw error;
      if (waiting !== undefined) await this.#notCarried(waiting, asRelayError(error, 'outbox-setback'));
    }
  }

  /** undefined where another process has changed it. */
  async #mark(stored: Stored, progress: Progress, sealed?: Sealed): Promise<Stored | undefined> {
    if (stored.record.progress.state === progress.state && progress.state === 'queued') return stored;
    const change = new Change().progress(stored, progress);
    if (sealed !== undefined) this.#ask(stored, sealed, change);
    const isSaved = await this.#work.save(change, [stored], [[stored.id, progress]]);
    return isSaved ? this.#work.store.get(stored.id) : undefined;
  }

  /** Who answers names the id under which it took the message: the last, or an earlier one, whose receipt was lost. */
  #ask(stored: Stored, sealed: Sealed, change: Change): Change {
    if (!stored.record.readReceipt) return change;
    const ids = [...(this.#asked.get(stored.id) ?? []), sealed.messageId];
    for (const id of ids.splice(0, ids.length - idsAsked)) change.unask(id);
    this.#asked.set(stored.id, ids);
    return change.ask(stored, sealed, this.#work.now());
  }

  async #notCarried(stored: Stored, error: RelayError): Promise<void> {
    if (await this.#elsewhere(stored)) return;
    if (final.has(error.code)) {
      await this.#finish(stored, { state: 'failed', error });
      return;
    }
    this.#pause(stored.record.to);
    this.#work.setback(error);
  }

  /** Where the recipient has erased the key and names a newer one, seals to that; the nonce stays, so one of the two counts. */
  async #toNewestKey(
    sealed: Sealed,
    carrier: OffChainCarrier,
  ): Promise<{ readonly messageId: Hex; readonly carried: Carried }> {
    const { genesisHash, onNewerKey } = this.#work;
    const { to } = sealed.stored.record;
    try {
      return { messageId: sealed.messageId, carried: await this.#hand(sealed, carrier) };
    } catch (error) {
      // Where the directory does not tell epochs, any that is named is newer.
      const used = { epoch: this.#newest.get(to)?.epoch ?? this.#directoryEpoch(to) ?? -1 };
      const newer = newerKey(error, { genesisHash, identity: to, used });
      if (newer === undefined) throw error;
      await onNewerKey(to, newer);
      this.#newest.set(to, newer);
      const again = await sealStored(this.#work, sealed.stored, newer.ecdhKey);
      if (sealed.stored.record.readReceipt)
        await this.#work.save(this.#ask(sealed.stored, again, new Change()), [sealed.stored], []);
      return { messageId: again.messageId, carried: await this.#hand(again, carrier) };
    }
  }

  /** A key that the recipient named, until the directory has it or a newer one. */
  #newestOf(to: Hex): Uint8Array | undefined {
    const named = this.#newest.get(to);
    const epoch = this.#directoryEpoch(to);
    if (named === undefined || epoch === undefined || epoch < named.epoch) return named?.ecdhKey;
    this.#newest.delete(to);
    return undefined;
  }

  #directoryEpoch(to: Hex): number | undefined {
    const current = this.#work.directory.get(to)?.current as { readonly epoch?: number } | undefined;
    return current?.epoch;
  }

  async #hand({ stored, envelope }: Sealed, carrier: OffChainCarrier): Promise<Carried> {
    const { vault, genesisHash, signal } = this.#work;
    const signature = await vault.sign({ type: 'envelope', genesisHash, envelope });
    const signed = encodeSignedEnvelope({ identity: vault.identity, signature, envelope });
    const { endpoint, status } = await carrier.carry(signed, stored.record.to, signal);
    return { endpoint, status };
  }

  async #finish(stored: Stored, end: Progress): Promise<void> {
    const change = new Change();
    // Whatever place it has: none takes it from there once more.
    for (const lane of ['relay', stored.record.as] as const) change.unqueue(stored, lane);
    const isSaved = await this.#work.finish([[stored, end]], change);
    if (isSaved) this.#waiting.remove(stored.record.to, stored.id);
  }

  /** On chain, where the sender agreed to fees. */
  async #elsewhere({ id, record }: Stored): Promise<boolean> {
    if (record.via === 'relay' || this.#work.account === undefined) return false;
    return this.#toChain(record.to, [id]);
  }

  /** False: another process has changed one of them, and none went. */
  async #toChain(to: Hex, ids: readonly SendId[]): Promise<boolean> {
    const found = await Promise.all(ids.map((id) => this.#work.store.get(id)));
    const change = new Change();
    const going = found.filter((stored) => stored !== undefined).filter(isWaiting);
    for (const stored of going) change.unqueue(stored, 'relay').queue(stored, 'worker');
    if (!(await this.#work.save(change, going, []))) return false;
    for (const id of ids) this.#waiting.remove(to, id);
    this.#work.wake();
    return true;
  }

  #pause(to: Hex): void {
    this.#unreached.failed(to);
    this.#lose(to);
    if (this.#lost.has(to)) this.#work.wake();
  }
}

function isWaiting({ record }: Stored): boolean {
  const { state } = record.progress;
  return state === 'queued' || state === 'submitted';
}
