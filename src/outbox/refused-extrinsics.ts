import type { Fate, Inclusion } from '../chain/index.ts';
import type { Hex } from '../codec/index.ts';
import { RelayError } from '../errors/index.ts';
import type { Flight, RefusedFlight } from './flight.ts';
import { isFinished, type Progress } from './message-record.ts';
import { Change, type Stored } from './outbox-store.ts';
import type { ChainWork } from './work.ts';

/** How to go on in spite of what was refused. */
export interface WayOn {
  /** What is signed next has this nonce. */
  readonly nonce?: number;
  /** An account's messages wait: what carried them may have come in. */
  readonly isAccountHeld: boolean;
}

/**
 * Extrinsics that a node refused: it may have passed them on all the same. Until blocks tell that they can't come in, what is
 * signed next has their nonce, of which a chain takes one; and where that was used, an account's messages wait until it is
 * known by what.
 */
export class RefusedExtrinsics {
  readonly #work: ChainWork;
  readonly #open = new Map<Hex, RefusedFlight>();

  constructor(work: ChainWork) {
    this.#work = work;
  }

  async load(): Promise<void> {
    for (const refused of await this.#work.store.refused()) this.#open.set(refused.extrinsic.hash, refused);
  }

  /** Adds to a change that a node refused it; what is given is called when that is written. */
  add(
    { as, extrinsic: { hash, account, nonce, anchor, death } }: Flight,
    members: readonly Stored[],
    change: Change,
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
    if (this.#open.size === 0) return { isAccountHeld: false };
    const { chain, account, signal } = this.#work;
    const all = [...this.#open.values()];
    const fates = await chain.fates(
      all.map(({ extrinsic }) => extrinsic),
      signal,
    );
    let nonce: number | undefined;
    let isAccountHeld = false;
    for (const refused of all) {
      const { extrinsic, as } = refused;
      const fate = fates.get(extrinsic.hash);
      if (fate === undefined) continue;
      if (fate.kind !== 'open') await this.#resolve(refused, fate);
      else if (extrinsic.account !== account?.id) continue;
      else if (fate.nextNonce === extrinsic.nonce) ({ nonce } = extrinsic);
      else if (as === 'account') isAccountHeld ||= await this.#isAnyQueued(refused);
    }
    return nonce === undefined ? { isAccountHeld } : { nonce, isAccountHeld };
  }

  async #isAnyQueued({ members }: RefusedFlight): Promise<boolean> {
    for (const { id } of members) if ((await this.#work.store.get(id))?.record.progress.state === 'queued') return true;
    return false;
  }

  async #resolve(refused: RefusedFlight, fate: Known): Promise<void> {
    const { as, extrinsic, members } = refused;
    const change = new Change().resolve(extrinsic.hash);
    const ends: (readonly [Stored, Progress])[] = [];
    let goAgain = false;
    // What became of a worker's messages is found out one by one.
    if (as === 'account')
      for (const [i, { id, messageId }] of members.entries()) {
        const stored = await this.#work.store.get(id);
        const end = stored === undefined ? undefined : endOf(stored, fate, { i, messageId, refused });
        if (stored?.record.progress.state === 'queued' && fate.kind === 'unknown') goAgain ||= end === undefined;
        if (stored === undefined || end === undefined) continue;
        change.unqueue(id, 'account');
        ends.push([stored, end]);
      }
    // Where another process has changed one of them, it is looked at anew.
    if (!(await this.#work.finish(ends, change))) return this.#resolve(refused, fate);
    if (goAgain && fate.kind === 'unknown') this.#work.notice(unknownFate(refused, fate));
    this.#open.delete(extrinsic.hash);
  }
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
  if (fate.kind === 'included') return isIn(fate.inclusion, i) ? arrivalOf(fate.inclusion, messageId) : undefined;
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

function isIn({ failure, failures = [] }: Inclusion, i: number): boolean {
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
