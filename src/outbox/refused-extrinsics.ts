import type { Fate, Inclusion } from '../chain/index.ts';
import type { Hex } from '../codec/index.ts';
import { RelayError } from '../errors/index.ts';
import { ChainChange } from './chain-store.ts';
import type { Flight, RefusedFlight } from './flight.ts';
import { isFinished, type Progress } from './message-record.ts';
import type { Stored } from './outbox-change.ts';
import type { SendId } from './send-id.ts';
import type { ChainWork } from './work.ts';

/** How to go on in spite of what was refused. */
export interface WayOn {
  /** What is signed next has this nonce. */
  readonly nonce?: number;
  /** Of these, messages that are to be signed anew wait: what carried them may have come in. */
  readonly held: ReadonlySet<'worker' | 'account'>;
}

/**
 * Extrinsics that a node refused: it may have passed them on all the same. Until blocks tell that they can't come in, what is
 * signed next has their nonce, of which a chain takes one; and where that was used, messages that lie in the queue again wait
 * until it is known by what.
 */
export class RefusedExtrinsics {
  readonly #work: ChainWork;
  readonly #forget: (id: SendId) => void;
  readonly #open = new Map<Hex, RefusedFlight>();

  /** `forget`: of a message that is found to be in a block. */
  constructor(work: ChainWork, forget: (id: SendId) => void) {
    this.#work = work;
    this.#forget = forget;
  }

  async load(): Promise<void> {
    for (const refused of await this.#work.chainStore.refused()) this.#open.set(refused.extrinsic.hash, refused);
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

  /** Looks into blocks for what became of them. Throws what the chain throws, outbox-changed. */
  async look(): Promise<WayOn> {
    const held = new Set<'worker' | 'account'>();
    if (this.#open.size === 0) return { held };
    const { chain, account, signal } = this.#work;
    const all = [...this.#open.values()];
    const fates = await chain.fates(
      all.map(({ extrinsic }) => extrinsic),
      signal,
    );
    let nonce: number | undefined;
    for (const refused of all) {
      const { extrinsic, as } = refused;
      const fate = fates.get(extrinsic.hash);
      if (fate === undefined) continue;
      if (fate.kind !== 'open') await this.#resolve(refused, fate);
      else if (extrinsic.account !== account?.id) continue;
      else if (fate.nextNonce === extrinsic.nonce) ({ nonce } = extrinsic);
      else if (await this.#isAnyAnew(refused)) held.add(as);
    }
    return nonce === undefined ? { held } : { nonce, held };
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
      const end = isOurs ? endOf(stored, fate, { i, messageId, refused }) : undefined;
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

interface Member {
  /** Place in the extrinsic. */
  readonly i: number;
  readonly messageId: Hex;
  readonly refused: RefusedFlight;
}

/** Of a message that was not known to be in a block. undefined: it is as it was. */
function endOf(
  { record: { suite, progress } }: Stored,
  fate: Known,
  { i, messageId, refused }: Member,
): Progress | undefined {
  if (isFinished(progress) && progress.state !== 'failed') return undefined;
  if (fate.kind === 'included')
    return isIn(fate.inclusion, i, refused.as) ? arrivalOf(fate.inclusion, messageId) : undefined;
  // What has a nonce goes again: its recipient takes it once.
  if (fate.kind === 'dead' || suite === 'v1' || progress.state !== 'queued') return undefined;
  return { state: 'failed', error: unknownFate(refused, fate) };
}

function unknownFate(
  { extrinsic: { hash } }: RefusedFlight,
  { first, last }: Extract<Fate, { readonly kind: 'unknown' }>,
): RelayError {
  return new RelayError('fate-unknown', { details: { what: `extrinsic ${hash}`, first, last } });
}

/** A worker's may have come in as a whole or not at all: where nobody knows, what was signed anew goes. */
function isIn({ failure, failures = [], isOutcomeUnknown = false }: Inclusion, i: number, as: Flight['as']): boolean {
  if (as === 'worker' && isOutcomeUnknown) return false;
  return failure === undefined && !failures.some(({ index }) => index === i);
}

function arrivalOf({ blockHash, blockNumber, isOutcomeUnknown }: Inclusion, messageId: Hex): Progress {
  return {
    state: 'finalized',
    messageId,
    blockHash,
    blockNumber,
    ...(isOutcomeUnknown === true && { isOutcomeUnknown }),
  };
}
