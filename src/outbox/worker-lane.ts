import type { Call, Head } from '../chain/index.ts';
import type { Hex } from '../codec/index.ts';
import { RelayError } from '../errors/index.ts';
import { sealQueued, type Batch, type BatchItem, type BatchLimit } from './batch.ts';
import type { SignedMessage } from './flight.ts';
import { isFinished, topicOfMessage } from './message-record.ts';
import { Change, type Stored } from './outbox-change.ts';
import type { SendId } from './send-id.ts';
import { PostedSearch, type Sighting, type SignedFacts } from './posted-search.ts';
import type { Sealed } from './seal-kept.ts';
import type { ChainWork } from './work.ts';

/** What the chain says of a worker. */
interface Present {
  readonly finalized: Head;
  readonly best: Head;
  /** Next sequence of the best block. */
  readonly next: bigint;
  /** Next sequence of the finalized one. */
  readonly settled: bigint;
}

type LostSight = Extract<Sighting, { readonly kind: 'lost-sight' }>;

/** A message that may have come in. */
interface Unknown {
  readonly stored: Stored;
  readonly messageId: Hex;
  readonly sighting: LostSight;
}

/**
 * The sequence of a worker (protocol.md §10). A message is signed once and kept, since anyone may post what was signed; it is
 * signed anew only when its sequence was used by something else in a finalized block, so that it can never come in twice.
 */
export class WorkerLane {
  readonly #work: ChainWork;
  /** Signed messages whose end is not known. */
  readonly #pending = new Map<SendId, SignedFacts>();
  /** Of those, what failed or was cancelled, and is not posted again: whoever has seen them may do that. */
  readonly #failed = new Set<SendId>();
  readonly #search: PostedSearch;

  constructor(work: ChainWork) {
    this.#work = work;
    this.#search = new PostedSearch(work.chain, work.vault.identity, work.signal);
  }

  async load(): Promise<void> {
    const { store } = this.#work;
    for (const [id, signed] of await store.allSigned()) {
      const stored = await store.get(id);
      if (stored === undefined) continue;
      this.signed(stored, signed);
      if (stored.record.progress.state === 'failed') this.failed(id);
    }
  }

  signed({ id, record }: Stored, { sequence, since, messageId }: SignedMessage): void {
    this.#pending.set(id, { sequence, since, messageId, destination: topicOfMessage(record) });
  }

  /** A node refused it; it is posted again where it is retried by hand. */
  failed(id: SendId): void {
    if (this.#pending.has(id)) this.#failed.add(id);
  }

  forget(id: SendId): void {
    const { messageId } = this.#pending.get(id) ?? {};
    if (messageId !== undefined) this.#search.forget(messageId);
    this.#pending.delete(id);
    this.#failed.delete(id);
  }

  /**
   * What to post next: first what was signed before and is in no block, then what is queued. `flying`: members of
   * extrinsics under way. Throws sequence-unsettled.
   */
  async batch(flying: ReadonlySet<SendId>, limit: BatchLimit): Promise<Batch | undefined> {
    const { chain, vault, account, signal } = this.#work;
    if (account === undefined) return undefined;
    const [best, finalized] = await Promise.all([chain.bestHead(signal), chain.finalizedHead(signal)]);
    const [next, settled] = await Promise.all(
      [best, finalized].map(({ hash }) => chain.at(hash).ingressSequence(vault.identity, signal)),
    );
    if (next === undefined || settled === undefined) return undefined;
    await this.#lookForRetried(flying);
    const loose = [...this.#pending].filter(([id]) => !flying.has(id)).sort(bySequence);
    if (!(await this.#settle(loose, { finalized, best, next, settled }))) return undefined;
    const ready = [...this.#pending]
      .filter(([id, { sequence }]) => !flying.has(id) && !this.#failed.has(id) && sequence >= next)
      .sort(bySequence);
    if (await this.#isOvertaking(ready)) return this.#signAnew(ready, next);
    if (ready.length > 0) return this.#again(ready, next, settled, limit);
    return this.#fresh({ finalized, best, next, settled }, limit);
  }

  /** Any process may have retried or cancelled what no extrinsic carries. */
  async #lookForRetried(flying: ReadonlySet<SendId>): Promise<void> {
    for (const id of this.#pending.keys()) {
      if (flying.has(id)) continue;
      const stored = await this.#work.store.get(id);
      if (stored === undefined) this.forget(id);
      else if (isFinished(stored.record.progress)) this.#failed.add(id);
      else this.#failed.delete(id);
    }
  }

  /**
   * Finds out what became of signed messages that no extrinsic of ours carries: someone else may have posted them. False: not
   * known yet.
   */
  async #settle(loose: readonly (readonly [SendId, SignedFacts])[], present: Present): Promise<boolean> {
    const used = loose.filter(([, { sequence }]) => sequence < present.next);
    if (used.length === 0) return true;
    const sightings = await this.#search.upTo(present, [...this.#pending.values()]);
    let isSettled = true;
    const unknown: Unknown[] = [];
    for (const [id, { sequence, messageId }] of used) {
      const stored = await this.#work.store.get(id);
      const sighting = sightings.get(messageId);
      if (stored === undefined) this.forget(id);
      else if (sighting?.kind === 'posted') await this.#foundIn(stored, messageId, sighting);
      else if (sequence >= present.settled) isSettled &&= this.#failed.has(id);
      else if (sighting === undefined) await this.#lost(stored);
      else if (stored.record.suite === 'phala') await this.#failUnknown(stored, messageId, sighting);
      else unknown.push({ stored, messageId, sighting });
    }
    if (unknown.length > 0) await this.#goAgain(unknown);
    return isSettled;
  }

  async #foundIn(
    stored: Stored,
    messageId: Hex,
    { block, isFinal }: Extract<Sighting, { readonly kind: 'posted' }>,
  ): Promise<void> {
    const { hash, number } = block;
    const posted = { messageId, blockHash: hash, blockNumber: number };
    if (isFinal) {
      const end = { state: 'finalized', ...posted } as const;
      const change = new Change().unsign(stored.id).unqueue(stored, 'worker');
      if (await this.#work.finish([[stored, end]], change)) this.forget(stored.id);
      return;
    }
    const { progress } = stored.record;
    if (progress.state === 'failed' || (progress.state === 'inBlock' && progress.blockHash === hash)) return;
    const now = { state: 'inBlock', ...posted } as const;
    const change = new Change().progress(stored, now).unqueue(stored, 'worker');
    await this.#work.save(change, [stored], [[stored.id, now]]);
  }

  /** They may be in or not. By its nonce a recipient takes each once. */
  async #goAgain(unknown: readonly Unknown[]): Promise<void> {
    const spans = unknown.map(({ sighting }) => sighting);
    const [{ messageId } = { messageId: '' }, ...more] = unknown;
    this.#work.notice(
      new RelayError('fate-unknown', {
        details: {
          what: more.length === 0 ? `message ${messageId}` : `messages ${messageId} and ${more.length} more`,
          first: Math.min(...spans.map(({ first }) => first)),
          last: Math.max(...spans.map(({ last }) => last)),
        },
      }),
    );
    for (const { stored } of unknown) await this.#lost(stored);
  }

  /** It may be in or not, and has no nonce: it is not posted again. */
  async #failUnknown(stored: Stored, messageId: Hex, { first, last }: LostSight): Promise<void> {
    const error = new RelayError('fate-unknown', { details: { what: `message ${messageId}`, first, last } });
    const end = { state: 'failed', error } as const;
    if (await this.#work.finish([[stored, end]], new Change().unsign(stored.id))) this.forget(stored.id);
  }

  /** In a finalized block something else has its sequence: this signature is dead, and the message is signed anew. */
  async #lost(stored: Stored): Promise<void> {
    // By another process too, while blocks were searched.
    if (this.#failed.has(stored.id) || isFinished(stored.record.progress)) {
      if (await this.#work.save(new Change().unsign(stored.id), [stored], [])) this.forget(stored.id);
      return;
    }
    const change = new Change().progress(stored, { state: 'queued' }).queue(stored, 'worker').unsign(stored.id);
    if (await this.#work.save(change, [stored], [[stored.id, { state: 'queued' }]])) this.forget(stored.id);
  }

  async #again(
    ready: readonly (readonly [SendId, SignedFacts])[],
    next: bigint,
    settled: bigint,
    limit: BatchLimit,
  ): Promise<Batch | undefined> {
    const { chain, account, store, signal } = this.#work;
    if (ready[0]?.[1].sequence !== next) {
      if (settled !== next) throw this.#unsettled(next, settled);
      // What came before is gone for good, as where it failed: those behind can not come in as they are.
      return this.#signAnew(ready, next);
    }
    if (account === undefined) return undefined;
    const room = await chain.batchRoom('sync-offchain-message', account, signal);
    const items: BatchItem[] = [];
    for (const [id, { sequence }] of ready.slice(0, limit.messages)) {
      if (sequence !== next + BigInt(items.length)) break;
      const [stored, signed] = await Promise.all([store.get(id), store.signed(id)]);
      if (stored === undefined || signed === undefined || isFinished(stored.record.progress)) break;
      if (!room.take(signed.envelope.length)) break;
      const { envelope, messageId } = signed;
      items.push({ stored, envelope, messageId, call: this.#call(stored, signed) });
    }
    return items.length === 0 ? undefined : { as: 'worker', items };
  }

  /**
   * Whether one that waits was sent before these, as where something else had its sequence: they go behind it. What was
   * signed may be posted by whoever has seen it, and a command has no nonce: with one of them all go as they are signed.
   */
  async #isOvertaking(ready: readonly (readonly [SendId, SignedFacts])[]): Promise<boolean> {
    const { store } = this.#work;
    if (ready.length === 0) return false;
    // One that is retried by hand waits, and is signed.
    const waiting = await store.waitingAsWorker(this.#pending.size + 1);
    const oldest = waiting.find(({ id }) => !this.#pending.has(id));
    if (oldest === undefined || ready.every(([id]) => id < oldest.id)) return false;
    for (const [id] of ready) if ((await store.get(id))?.record.suite === 'phala') return false;
    return true;
  }

  /** From the next sequence on, in the order in which they were sent. */
  async #signAnew(ready: readonly (readonly [SendId, SignedFacts])[], next: bigint): Promise<undefined> {
    for (const [id, { sequence }] of ready) {
      const stored = await this.#work.store.get(id);
      if (stored === undefined) this.forget(id);
      else if (stored.record.suite === 'phala') await this.#failBehindGap(stored, sequence, next);
      else await this.#lost(stored);
    }
    this.#work.wake();
    return undefined;
  }

  /** Whoever has seen it posts it once its sequence is next, and it has no nonce: it is never signed a second time. */
  async #failBehindGap(stored: Stored, sequence: bigint, next: bigint): Promise<void> {
    if (isFinished(stored.record.progress)) {
      this.failed(stored.id);
      return;
    }
    const error = new RelayError('sequence-gap', { details: { sequence, next } });
    const change = new Change().unqueue(stored, 'worker');
    if (await this.#work.finish([[stored, { state: 'failed', error }]], change)) this.failed(stored.id);
  }

  async #fresh({ finalized, next, settled }: Present, limit: BatchLimit): Promise<Batch | undefined> {
    const last = [...this.#pending].reduce(
      (most, [id, { sequence }]) => (sequence > most && !this.#failed.has(id) ? sequence : most),
      -1n,
    );
    const first = last + 1n > settled ? last + 1n : settled;
    // Before anything is sealed: it would be sealed again each time.
    const isIdle = (await this.#work.store.waitingAsWorker(1)).length === 0;
    if (isIdle) return undefined;
    if (first < next) throw this.#unsettled(next, settled);
    const sealed = await sealQueued(this.#work, 'worker', limit);
    if (sealed.length === 0) return undefined;
    if (sealed.some(({ stored }) => this.#pending.has(stored.id))) {
      // Retried by hand meanwhile: it goes as it is signed.
      this.#work.wake();
      return undefined;
    }
    const items = await Promise.all(sealed.map((each, i) => this.#sign(each, first + BigInt(i), finalized.number)));
    return { as: 'worker', items };
  }

  #unsettled(best: bigint, finalized: bigint): RelayError {
    return new RelayError('sequence-unsettled', { details: { worker: this.#work.vault.identity, best, finalized } });
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

function bySequence([, a]: readonly [SendId, SignedFacts], [, b]: readonly [SendId, SignedFacts]): number {
  return a.sequence < b.sequence ? -1 : 1;
}
