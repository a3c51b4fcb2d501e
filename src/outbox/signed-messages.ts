import type { Head } from '../chain/index.ts';
import type { Hex } from '../codec/index.ts';
import { RelayError } from '../errors/index.ts';
import type { SignedMessage } from './flight.ts';
import { isFinished, topicOfMessage } from './message-record.ts';
import { Change, type Stored } from './outbox-change.ts';
import { PostedSearch, type Sighting, type SignedFacts } from './posted-search.ts';
import type { SendId } from './send-id.ts';
import type { ChainWork } from './work.ts';
import { sequenceAt } from './worker-sequence.ts';

/** What the chain says of a worker. */
export interface Present {
  readonly finalized: Head;
  readonly best: Head;
  /** Next sequence of the best block. */
  readonly next: bigint;
  /** Next sequence of the finalized one. */
  readonly settled: bigint;
}

export type Signed = readonly [SendId, SignedFacts];

type LostSight = Extract<Sighting, { readonly kind: 'lost-sight' }>;

/** A message that may have come in. */
interface Unknown {
  readonly stored: Stored;
  readonly messageId: Hex;
  readonly sighting: LostSight;
}

/** Messages of a worker that are signed, and whose end is not known. */
export class SignedMessages {
  readonly #work: ChainWork;
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
      this.add(stored, signed);
      if (stored.record.progress.state === 'failed') this.failed(id);
    }
  }

  has(id: SendId): boolean {
    return this.#pending.has(id);
  }

  get size(): number {
    return this.#pending.size;
  }

  /** The greatest sequence that one of them is to have; undefined: none is. */
  get last(): bigint | undefined {
    const left = [...this.#pending].filter(([id]) => !this.#failed.has(id));
    return left.map(([, { sequence }]) => sequence).reduce<bigint | undefined>(greater, undefined);
  }

  add({ id, record }: Stored, { sequence, since, messageId }: SignedMessage): void {
    const facts = { sequence, since, messageId, destination: topicOfMessage(record) };
    this.#pending.set(id, { ...facts, isCommand: record.suite === 'phala' });
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

  /** What is to be posted again, by sequence: no extrinsic carries it, and its sequence is not used. */
  ready(inFlight: ReadonlySet<SendId>, next: bigint): Signed[] {
    return this.#notInFlight(inFlight).filter(([id, { sequence }]) => !this.#failed.has(id) && sequence >= next);
  }

  /** Any process may have retried or cancelled what no extrinsic carries. */
  async lookForRetried(inFlight: ReadonlySet<SendId>): Promise<void> {
    for (const [id] of this.#notInFlight(inFlight)) {
      const stored = await this.#work.store.get(id);
      if (stored === undefined || (await this.#isTakenBack(stored))) this.forget(id);
      else if (isFinished(stored.record.progress)) this.#failed.add(id);
      else this.#failed.delete(id);
    }
  }

  /**
   * Finds out what became of those that no extrinsic of ours carries: someone else may have posted them. False: not known
   * yet.
   */
  async settle(inFlight: ReadonlySet<SendId>, present: Present): Promise<boolean> {
    const used = this.#notInFlight(inFlight).filter(([, { sequence }]) => sequence < present.next);
    if (used.length === 0) return true;
    const { settled, ...heads } = await this.#agreed(present);
    const sightings = await this.#search.upTo(heads, [...this.#pending.values()]);
    let isSettled = true;
    const unknown: Unknown[] = [];
    for (const [id, { sequence, messageId }] of used) {
      const stored = await this.#work.store.get(id);
      const sighting = sightings.get(messageId);
      if (stored === undefined || (await this.#isTakenBack(stored))) this.forget(id);
      else if (sighting?.kind === 'posted') await this.#foundIn(stored, messageId, sighting);
      else if (sequence >= settled) isSettled &&= this.#failed.has(id);
      else if (sighting === undefined) await this.signAnew(stored);
      else if (stored.record.suite === 'phala') await this.#failUnknown(stored, messageId, sighting);
      else unknown.push({ stored, messageId, sighting });
    }
    if (unknown.length > 0) await this.#goAgain(unknown);
    return isSettled;
  }

  /** What one node makes up would have a signature forgotten that still counts, and a command come in twice. */
  async #agreed(present: Present): Promise<Present> {
    const { chain, signal } = this.#work;
    if (chain.trust === 'single') return present;
    const finalized = await chain.agreedHead(signal);
    return { ...present, finalized, settled: await sequenceAt(this.#work, finalized) };
  }

  /** Its signature counts for nothing any more, and it waits to be signed again. */
  async signAnew(stored: Stored): Promise<void> {
    const change = await this.#asSigned(stored.id);
    if (change === undefined) return;
    change.unsign(stored.id);
    // By another process too, while blocks were searched.
    if (this.#failed.has(stored.id) || isFinished(stored.record.progress)) {
      if (await this.#work.save(change, [stored], [])) this.forget(stored.id);
      return;
    }
    change.progress(stored, { state: 'queued' }).queue(stored, 'worker');
    if (await this.#work.save(change, [stored], [[stored.id, { state: 'queued' }]])) this.forget(stored.id);
  }

  /** A change that holds where the message is not taken back meanwhile. undefined: it was. */
  async #asSigned(id: SendId): Promise<Change | undefined> {
    const signed = await this.#work.store.isSigned(id);
    return signed && new Change().expect(signed);
  }

  #notInFlight(inFlight: ReadonlySet<SendId>): Signed[] {
    return [...this.#pending].filter(([id]) => !inFlight.has(id)).sort(bySequence);
  }

  /** It goes off chain: its signature is forgotten. */
  async #isTakenBack({ id, record: { via, progress } }: Stored): Promise<boolean> {
    if (via !== 'auto' || progress.state === 'inBlock') return false;
    return (await this.#work.store.signed(id)) === undefined;
  }

  async #foundIn(
    stored: Stored,
    messageId: Hex,
    { block, isFinal }: Extract<Sighting, { readonly kind: 'posted' }>,
  ): Promise<void> {
    const { hash, number } = block;
    const posted = { messageId, blockHash: hash, blockNumber: number };
    const change = await this.#asSigned(stored.id);
    if (change === undefined) return;
    change.unqueue(stored, 'worker');
    if (isFinal) {
      const end = { state: 'finalized', ...posted } as const;
      if (await this.#work.finish([[stored, end]], change.unsign(stored.id))) this.forget(stored.id);
      return;
    }
    const { progress } = stored.record;
    if (progress.state === 'failed' || (progress.state === 'inBlock' && progress.blockHash === hash)) return;
    const now = { state: 'inBlock', ...posted } as const;
    await this.#work.save(change.progress(stored, now), [stored], [[stored.id, now]]);
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
    for (const { stored } of unknown) await this.signAnew(stored);
  }

  /** It may be in or not, and has no nonce: it is not posted again. */
  async #failUnknown(stored: Stored, messageId: Hex, { first, last }: LostSight): Promise<void> {
    const error = new RelayError('fate-unknown', { details: { what: `message ${messageId}`, first, last } });
    const end = { state: 'failed', error } as const;
    if (await this.#work.finish([[stored, end]], new Change().unsign(stored.id))) this.forget(stored.id);
  }
}

function bySequence([, a]: Signed, [, b]: Signed): number {
  return a.sequence < b.sequence ? -1 : 1;
}

function greater(a: bigint | undefined, b: bigint | undefined): bigint | undefined {
  return a === undefined || (b !== undefined && b > a) ? b : a;
}
