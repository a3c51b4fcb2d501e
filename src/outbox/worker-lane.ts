import type { Call, Head } from '../chain/index.ts';
import { topicOf, type Hex } from '../codec/index.ts';
import { RelayError } from '../errors/index.ts';
import { sealQueued, type Batch, type BatchItem, type BatchLimit } from './batch.ts';
import { findPosted } from './find-posted.ts';
import type { SignedMessage } from './flight.ts';
import { Change, type Stored } from './outbox-store.ts';
import type { SendId } from './send-id.ts';
import type { Sealed } from './seal-kept.ts';
import type { Work } from './work.ts';

/** A signed message whose end is not known. */
interface Pending {
  readonly sequence: bigint;
  readonly since: number;
  readonly messageId: Hex;
}

/** What the chain says of a worker. */
interface Present {
  readonly finalized: Head;
  /** Next sequence of the best block. */
  readonly next: bigint;
  /** Next sequence of the finalized one. */
  readonly settled: bigint;
}

/**
 * The sequence of a worker (protocol.md §10). A message is signed once and kept, since anyone may post what was signed; it is
 * signed anew only when its sequence was used by something else in a finalized block, so that it can never come in twice.
 */
export class WorkerLane {
  readonly #work: Work;
  readonly #pending = new Map<SendId, Pending>();
  /** Blocks without messages of this worker. */
  readonly #searched = new Set<Hex>();

  constructor(work: Work) {
    this.#work = work;
  }

  async load(): Promise<void> {
    for (const [id, signed] of await this.#work.store.allSigned()) this.#remember(id, signed);
  }

  signed(id: SendId, signed: SignedMessage): void {
    this.#remember(id, signed);
  }

  forget(id: SendId): void {
    this.#pending.delete(id);
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
    const loose = [...this.#pending].filter(([id]) => !flying.has(id)).sort(bySequence);
    if (!(await this.#settle(loose, { finalized, next, settled }))) return undefined;
    const ready = [...this.#pending]
      .filter(([id, { sequence }]) => !flying.has(id) && sequence >= next)
      .sort(bySequence);
    if (ready.length > 0) return this.#again(ready, next, settled, limit);
    return this.#fresh({ finalized, next, settled }, limit);
  }

  /**
   * Finds out what became of signed messages that no extrinsic of ours carries: someone else may have posted them. False: not
   * known yet.
   */
  async #settle(
    loose: readonly (readonly [SendId, Pending])[],
    { finalized, next, settled }: Present,
  ): Promise<boolean> {
    const { chain, vault, store, signal } = this.#work;
    const used = loose.filter(([, { sequence }]) => sequence < next);
    if (used.length === 0) return true;
    const wanted = await Promise.all(
      used.map(async ([id]) => ({ id, envelope: (await store.signed(id))?.envelope ?? new Uint8Array() })),
    );
    const since = used.reduce((least, [, pending]) => Math.min(least, pending.since), Infinity);
    const searched = this.#searched;
    const found = await findPosted(chain, vault.identity, wanted, { since, searched, signal });
    let isSettled = true;
    for (const [id, { sequence, messageId }] of used) {
      const stored = await store.get(id);
      if (stored === undefined) this.forget(id);
      else {
        const head = found.get(id);
        if (head !== undefined) await this.#foundIn(stored, messageId, head, finalized);
        else if (sequence < settled) await this.#lost(stored);
        else isSettled = false;
      }
    }
    return isSettled;
  }

  async #foundIn(stored: Stored, messageId: Hex, { hash, number }: Head, finalized: Head): Promise<void> {
    const isFinal = number <= finalized.number;
    const posted = { messageId, blockHash: hash, blockNumber: number };
    if (isFinal) {
      const end = { state: 'finalized', ...posted } as const;
      if (await this.#work.finish([[stored, end]], new Change().unsign(stored.id))) this.forget(stored.id);
      return;
    }
    const { progress } = stored.record;
    if (progress.state === 'inBlock' && progress.blockHash === hash) return;
    const now = { state: 'inBlock', ...posted } as const;
    await this.#work.save(new Change().progress(stored, now), [stored], [[stored.id, now]]);
  }

  /** In a finalized block something else has its sequence: this signature is dead, and the message is signed anew. */
  async #lost(stored: Stored): Promise<void> {
    const change = new Change().progress(stored, { state: 'queued' }).queue(stored.id, 'worker').unsign(stored.id);
    if (await this.#work.save(change, [stored], [[stored.id, { state: 'queued' }]])) this.forget(stored.id);
  }

  async #again(
    ready: readonly (readonly [SendId, Pending])[],
    next: bigint,
    settled: bigint,
    limit: BatchLimit,
  ): Promise<Batch | undefined> {
    const { chain, account, store } = this.#work;
    if (ready[0]?.[1].sequence !== next) {
      // What came before is gone for good, as where it failed: those behind can not come in as they are.
      if (settled === next) for (const [id] of ready) await this.#requeue(id);
      this.#work.wake();
      return undefined;
    }
    if (account === undefined) return undefined;
    const room = await chain.batchRoom('sync-offchain-message', account);
    const items: BatchItem[] = [];
    for (const [id, { sequence }] of ready.slice(0, limit.messages)) {
      if (sequence !== next + BigInt(items.length)) break;
      const [stored, signed] = await Promise.all([store.get(id), store.signed(id)]);
      if (stored === undefined || signed === undefined || !room.take(signed.envelope.length)) break;
      const { envelope, messageId } = signed;
      items.push({ stored, envelope, messageId, call: this.#call(stored, signed) });
    }
    return items.length === 0 ? undefined : { as: 'worker', items };
  }

  async #requeue(id: SendId): Promise<void> {
    const stored = await this.#work.store.get(id);
    if (stored !== undefined) await this.#lost(stored);
    else this.forget(id);
  }

  async #fresh({ finalized, next, settled }: Present, limit: BatchLimit): Promise<Batch | undefined> {
    const last = [...this.#pending.values()].reduce((most, { sequence }) => (sequence > most ? sequence : most), -1n);
    const first = last + 1n > settled ? last + 1n : settled;
    const sealed = await sealQueued(this.#work, 'worker', limit);
    if (sealed.length === 0) return undefined;
    if (first < next)
      throw new RelayError('sequence-unsettled', {
        details: { worker: this.#work.vault.identity, best: next, finalized: settled },
      });
    const items = await Promise.all(sealed.map((each, i) => this.#sign(each, first + BigInt(i), finalized.number)));
    return { as: 'worker', items };
  }

  async #sign(sealed: Sealed, sequence: bigint, since: number): Promise<BatchItem> {
    const { stored, envelope, messageId } = sealed;
    const message = { destination: topicOf(stored.record.to), payload: envelope };
    const signature = await this.#work.vault.sign({ type: 'worker-message', ...message, sequence });
    const signed = { sequence, since, messageId, signature, envelope };
    return { ...sealed, call: this.#call(stored, signed), signed };
  }

  #call({ record }: Stored, { envelope, sequence, signature }: SignedMessage): Call {
    const message = { destination: topicOf(record.to), payload: envelope };
    return { kind: 'sync-offchain-message', worker: this.#work.vault.identity, ...message, sequence, signature };
  }

  #remember(id: SendId, { sequence, since, messageId }: SignedMessage): void {
    this.#pending.set(id, { sequence, since, messageId });
  }
}

function bySequence([, a]: readonly [SendId, Pending], [, b]: readonly [SendId, Pending]): number {
  return a.sequence < b.sequence ? -1 : 1;
}
