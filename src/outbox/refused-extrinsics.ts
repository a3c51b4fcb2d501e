import type { BlockId, Fate, Fates } from '../chain/index.ts';
import type { Hex } from '../codec/index.ts';
import { RelayError } from '../errors/index.ts';
import { ChainChange } from './chain-store.ts';
import { EarlyArrivals } from './early-arrivals.ts';
import type { Flight, RefusedFlight } from './flight.ts';
import { isFinished, type Progress } from './message-record.ts';
import type { Stored } from './outbox-change.ts';
import { placeIn } from './place-in.ts';
import type { SendId } from './send-id.ts';
import type { ChainWork } from './work.ts';

/** What is to be heeded by what is posted next, since extrinsics may come in yet. */
export interface PostingConstraints {
  /** What is signed next has this nonce, as what a block may take. */
  readonly nonce?: number;
  /** What an account signs is good on no chain without this block, by which it is known what can not come in. */
  readonly after?: BlockId;
  /** Messages of the account that are in a block, or may come in by an extrinsic with another nonce: they are not signed. */
  readonly held: ReadonlySet<SendId>;
  /** Of the worker, messages that are to be signed anew wait: what carried them may have come in. */
  readonly isWorkerHeld: boolean;
}

/**
 * Extrinsics that may come in although they are not followed: a node refused them and may have passed them on all the same; or
 * an account's were given up while finality lags, and a reorg gives them their blocks back. As long as a block of this chain
 * may take one, what is signed next has its nonce, of which a chain takes one; and where that was used, its messages wait
 * until it is known by what. Where a block tells that none that comes will have it, they go on: what is signed then is good on no
 * chain without that block. Until finalized blocks tell it too, an account's is asked for again.
 */
export class RefusedExtrinsics {
  readonly #work: ChainWork;
  readonly #forget: (id: SendId) => void;
  readonly #open = new Map<Hex, RefusedFlight>();
  readonly #arrivals: EarlyArrivals;
  #fates: Fates | undefined;

  /** `forget`: of a message that is found to be in a block. */
  constructor(work: ChainWork, forget: (id: SendId) => void) {
    this.#work = work;
    this.#forget = forget;
    this.#arrivals = new EarlyArrivals(work);
  }

  async load(): Promise<void> {
    for (const refused of await this.#work.chainStore.refused()) this.#open.set(refused.extrinsic.hash, refused);
    await this.#arrivals.load([...this.#open.values()]);
  }

  /** Adds to a change that a node refused it; what is given is called when that is written. */
  add(
    { as, extrinsic: { hash, account, nonce, anchor, death } }: Flight,
    members: readonly Stored[],
    change: ChainChange,
  ): () => void {
    const carried = members.flatMap(({ id, record: { progress } }) =>
      'messageId' in progress ? [{ id, messageId: progress.messageId }] : [],
    );
    const refused = { as, members: carried, extrinsic: { hash, account, nonce, anchor, death } };
    change.refuse(refused);
    return () => {
      this.#open.set(hash, refused);
    };
  }

  /**
   * Looks into blocks for what became of them. `inFlight`: members of extrinsics that are followed. Throws what the chain throws,
   * outbox-changed.
   */
  async look(inFlight: ReadonlySet<SendId>): Promise<PostingConstraints> {
    // What they carry may be given up meanwhile: then it is looked for first.
    const held = new Set(inFlight);
    if (this.#open.size === 0) return { held, isWorkerHeld: false };
    const { chain, account, signal } = this.#work;
    const all = [...this.#open.values()];
    const facts = all.map(({ extrinsic }) => extrinsic);
    const fates = await chain.fates(facts, signal, this.#fates);
    this.#fates = fates;
    await this.#arrivals.note(all, fates, inFlight);
    let nonce: number | undefined;
    let after: BlockId | undefined;
    let isWorkerHeld = false;
    for (const refused of all) {
      const { as, extrinsic, members } = refused;
      const fate = fates.of.get(extrinsic.hash);
      if (fate === undefined) continue;
      if (fate.kind === 'open') {
        if (extrinsic.account !== account?.id) continue;
        if (fate.nextNonce === extrinsic.nonce) ({ nonce } = extrinsic);
        else if (as === 'account') for (const { id } of members) held.add(id);
        else isWorkerHeld ||= await this.#isAnyAnew(refused);
      } else if (as === 'worker' || fate.kind === 'unknown' || fate.isFinal) await this.#resolve(refused, fate);
      else {
        after = fates.by;
        for (const [i, { id }] of members.entries()) if (placeIn(refused, i, fate) !== undefined) held.add(id);
      }
    }
    return { ...(nonce !== undefined && { nonce }), ...(after && { after }), held, isWorkerHeld };
  }

  async #isAnyAnew({ members }: RefusedFlight): Promise<boolean> {
    for (const { id, messageId } of members) {
      const stored = await this.#work.store.get(id);
      if (stored !== undefined && isAnew(stored, messageId)) return true;
    }
    return false;
  }

  async #resolve(refused: RefusedFlight, fate: Known): Promise<void> {
    const { as, extrinsic, members } = refused;
    const change = new ChainChange().resolve(extrinsic.hash);
    const ends: (readonly [Stored, Progress])[] = [];
    let goAgain = false;
    for (const [i, { id, messageId }] of members.entries()) {
      const stored = await this.#work.store.get(id);
      // What became of a worker's message as it was signed is found out by its sequence.
      const isOurs = stored !== undefined && (as === 'account' || isAnew(stored, messageId));
      const end = isOurs ? endOf(stored, refused, i, fate) : undefined;
      if (stored?.record.progress.state === 'queued' && fate.kind === 'unknown') goAgain ||= end === undefined;
      if (stored === undefined || end === undefined) continue;
      change.unqueue(stored, as).unsign(id);
      ends.push([stored, end]);
    }
    // Where another process has changed one of them, it is looked at anew.
    if (!(await this.#work.finish(ends, change))) return this.#resolve(refused, fate);
    for (const [{ id }] of ends) this.#forget(id);
    if (goAgain && fate.kind === 'unknown') this.#work.notice(unknownFate(refused, fate));
    this.#open.delete(extrinsic.hash);
  }
}

/** Whether a message is to be sealed again, or was, since an extrinsic carried it under this id. */
function isAnew({ record: { progress } }: Stored, messageId: Hex): boolean {
  if (progress.state === 'queued') return true;
  return progress.state === 'submitted' && progress.messageId !== messageId;
}

type Known = Exclude<Fate, { readonly kind: 'open' }>;

/** Of a message that was not known to be in a block. undefined: it is as it was. */
function endOf(
  { record: { suite, progress } }: Stored,
  refused: RefusedFlight,
  i: number,
  fate: Known,
): Progress | undefined {
  if (isFinished(progress) && progress.state !== 'failed') return undefined;
  const place = placeIn(refused, i, fate);
  if (place !== undefined) return { state: 'finalized', ...place };
  // What has a nonce goes again: its recipient takes it once.
  if (fate.kind !== 'unknown' || suite === 'v1' || progress.state !== 'queued') return undefined;
  return { state: 'failed', error: unknownFate(refused, fate) };
}

function unknownFate(
  { extrinsic: { hash } }: RefusedFlight,
  { first, last }: Extract<Fate, { readonly kind: 'unknown' }>,
): RelayError {
  return new RelayError('fate-unknown', { details: { what: `extrinsic ${hash}`, first, last } });
}
