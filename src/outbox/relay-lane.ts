import { newerKey, type NewerKey } from '../channel/newer-key.ts';
import { encodeSignedEnvelope, type Hex } from '../codec/index.ts';
import { asRelayError, isLocalFailure, type RelayError } from '../errors/index.ts';
import { letGo } from './let-go.ts';
import type { Carried, OffChainCarrier } from './off-chain-carrier.ts';
import { Change, type Stored } from './outbox-store.ts';
import type { Progress } from './message-record.ts';
import { ReadWatch } from './read-watch.ts';
import type { SendId } from './send-id.ts';
import { sealStored, type Sealed } from './seal-kept.ts';
import type { Work } from './work.ts';

/** Recipients that are served at a time; to each one goes one message after the other. */
const maxRecipients = 16;
const pageSize = 256;
/** Before a recipient that was not reached is tried again; doubles. */
const retryMs = 1_000;
/** Longest of these pauses. */
const maxRetryMs = 60_000;

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

interface Pause {
  readonly until: number;
  readonly tries: number;
}

/** Hands messages to the carrier, in order for each recipient, and what it can't take to the chain. */
export class RelayLane {
  readonly #work: RelayWork;
  readonly #reads: ReadWatch;
  readonly #pauses = new Map<Hex, Pause>();
  /** Of recipients who named a newer key than the directory has. */
  readonly #newest = new Map<Hex, NewerKey>();
  /** Ids of messages under way that may be answered. */
  readonly #asked = new Map<SendId, Hex[]>();
  readonly #busy = new Map<Hex, Promise<void>>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(work: RelayWork) {
    this.#work = work;
    this.#reads = new ReadWatch(work, work.carrier);
  }

  load(): Promise<void> {
    return this.#reads.load();
  }

  read(sendId: SendId): void {
    this.#reads.read(sendId);
  }

  /** Begins what can begin; what ends wakes the outbox. False: until then there is nothing more to do. */
  async step(): Promise<boolean> {
    const { store, carrier } = this.#work;
    const seen = new Set<Hex>(this.#busy.keys());
    for (let from = 0n; this.#busy.size < maxRecipients;) {
      const page = await store.waiting('relay', pageSize, from);
      // Where the recipient is not reached, none waits behind one that may go off chain only.
      const lost = page.filter(({ record }) => carrier === undefined || this.#isPaused(record.to));
      if (await this.#toChain(lost.filter(mayGoOnChain))) this.#work.wake();
      if (carrier !== undefined)
        for (const stored of page) {
          const { to } = stored.record;
          if (seen.has(to) || this.#busy.size >= maxRecipients) continue;
          seen.add(to);
          if (this.#isPaused(to)) continue;
          this.#serve(to, stored, carrier);
        }
      const last = page.at(-1);
      if (last === undefined || page.length < pageSize) break;
      from = last.id + 1n;
    }
    return false;
  }

  /** Those that were not reached may be now. */
  hurry(): void {
    this.#pauses.clear();
    this.#reads.hurry();
  }

  async stop(): Promise<void> {
    clearTimeout(this.#timer);
    await Promise.allSettled(this.#busy.values());
    await this.#reads.stop();
  }

  #serve(to: Hex, stored: Stored, carrier: OffChainCarrier): void {
    const serving = this.#carry(stored, carrier)
      .catch((error: unknown) => {
        if (this.#work.signal.aborted) return;
        this.#pause(to);
        this.#work.setback(error);
      })
      .finally(() => {
        this.#busy.delete(to);
        this.#work.wake();
      });
    this.#busy.set(to, serving);
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
      this.#pauses.delete(to);
      const end = { state: 'relayed', messageId, ...carried } as const;
      await this.#work.finish([[current, end]], new Change().unqueue(stored.id, 'relay'));
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
      const change = new Change().unqueue(stored.id, 'relay');
      await this.#work.finish([[stored, { state: 'failed', error }]], change);
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

  /** On chain, where the sender agreed to fees. */
  async #elsewhere(stored: Stored): Promise<boolean> {
    if (!mayGoOnChain(stored) || this.#work.account === undefined) return false;
    return this.#toChain([stored]);
  }

  async #toChain(messages: readonly Stored[]): Promise<boolean> {
    if (messages.length === 0 || this.#work.account === undefined) return false;
    const change = new Change();
    for (const { id } of messages) change.unqueue(id, 'relay').queue(id, 'worker');
    return this.#work.save(change, messages, []);
  }

  #isPaused(to: Hex): boolean {
    return (this.#pauses.get(to)?.until ?? 0) > this.#work.now();
  }

  #pause(to: Hex): void {
    const tries = (this.#pauses.get(to)?.tries ?? 0) + 1;
    const ms = Math.min(maxRetryMs, retryMs * 2 ** (tries - 1));
    this.#pauses.set(to, { until: this.#work.now() + ms, tries });
    clearTimeout(this.#timer);
    this.#timer = setTimeout(this.#work.wake, Math.min(ms, this.#soonest()) + 1);
    letGo(this.#timer);
  }

  #soonest(): number {
    const now = this.#work.now();
    return [...this.#pauses.values()].reduce(
      (least, { until }) => Math.min(least, Math.max(0, until - now)),
      maxRetryMs,
    );
  }
}

function mayGoOnChain({ record }: Pick<Stored, 'record'> & { readonly id: SendId }): boolean {
  return record.via !== 'relay';
}
