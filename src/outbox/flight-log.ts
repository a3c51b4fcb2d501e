import type { Inclusion, SignedExtrinsic } from '../chain/index.ts';
import type { Hex } from '../codec/index.ts';
import { RelayError } from '../errors/index.ts';
import type { Batch, BatchItem } from './batch.ts';
import { ChainChange } from './chain-store.ts';
import type { Flight } from './flight.ts';
import { isFinished, type Progress } from './message-record.ts';
import type { Stored } from './outbox-change.ts';
import type { RefusedExtrinsics } from './refused-extrinsics.ts';
import type { SendId } from './send-id.ts';
import { fillerFlight } from './sequence-gap.ts';
import type { ChainWork } from './work.ts';
import type { WorkerSequencer } from './worker-sequencer.ts';

/** What becomes of extrinsics under way and of the messages in them: each step is one transaction. */
export class FlightLog {
  readonly #work: ChainWork;
  readonly #sequencer: WorkerSequencer;
  readonly #refused: RefusedExtrinsics;

  constructor(work: ChainWork, sequencer: WorkerSequencer, refused: RefusedExtrinsics) {
    this.#work = work;
    this.#sequencer = sequencer;
    this.#refused = refused;
  }

  /** Before a node gets it. Throws outbox-changed where one of its messages was cancelled meanwhile. */
  async begin(batch: Batch, extrinsic: SignedExtrinsic): Promise<Flight> {
    const { as, items } = batch;
    const flight = { id: idOf(batch), as, members: items.map(({ stored }) => stored.id), extrinsic };
    const change = new ChainChange().addFlight(flight);
    const statuses = items.map(({ stored, messageId }) => [stored.id, { state: 'submitted', messageId }] as const);
    items.forEach((item, i) => {
      const [id, progress] = statuses[i] ?? [item.stored.id, item.stored.record.progress];
      change.progress(item.stored, progress).unqueue(item.stored, as).ask(item.stored, item, this.#work.now());
      if (item.signed !== undefined) change.sign(id, item.signed);
    });
    const before = items.map(({ stored }) => stored);
    await this.#expectToBeHere(batch, change);
    if (!(await this.#work.save(change, before, statuses))) throw new RelayError('outbox-changed');
    for (const { stored, signed } of items) if (signed !== undefined) this.#sequencer.signed(stored, signed);
    return flight;
  }

  /** What may go off chain too may have been taken back to that way since it was read: its place, or its signature. */
  async #expectToBeHere({ as, items }: Batch, change: ChainChange): Promise<void> {
    const { store } = this.#work;
    for (const { stored, signed } of items) {
      if (stored.record.via !== 'auto' || as === 'account') continue;
      const here = await (signed === undefined ? store.isSigned(stored.id) : store.waitsAsWorker(stored.id));
      if (here === undefined) throw new RelayError('outbox-changed');
      change.expect(here);
    }
  }

  /** Signed anew with the same nonce, since a node refused what was signed before. */
  async signedAnew(former: Flight, extrinsic: SignedExtrinsic): Promise<Flight> {
    const flight = { ...former, extrinsic };
    const change = new ChainChange().addFlight(flight);
    const remember = this.#refused.add(former, await this.#current(former.members), change);
    if (!(await this.#work.save(change, [], []))) throw new RelayError('outbox-changed');
    remember();
    return flight;
  }

  /** In a best block, or, where undefined, in none any more. */
  async included({ members: ids }: Flight, inclusion: Inclusion | undefined): Promise<void> {
    const failed = new Set(inclusion?.failures?.map(({ index }) => index));
    const members = await this.#current(ids);
    const change = new ChainChange();
    const statuses: (readonly [SendId, Progress])[] = [];
    members.forEach((stored, i) => {
      const { progress } = stored.record;
      if (failed.has(i) || !('messageId' in progress)) return;
      const { messageId } = progress;
      const next: Progress =
        inclusion === undefined
          ? { state: 'submitted', messageId }
          : { state: 'inBlock', messageId, ...placeOf(inclusion) };
      change.progress(stored, next);
      statuses.push([stored.id, next]);
    });
    await this.#work.save(change, members, statuses);
  }

  /** In a finalized block: what is in it has its end. */
  async finalized(flight: Flight, inclusion: Inclusion): Promise<void> {
    const failures = new Map(inclusion.failures?.map((failure) => [failure.index, failure]));
    const members = await this.#current(flight.members);
    const ids = await Promise.all(members.map((stored) => this.#idOf(stored)));
    const ends = members.map((stored, i): readonly [Stored, Progress] => {
      const [failure, messageId] = [failures.get(i), ids[i]];
      const error =
        inclusion.failure ??
        (failure === undefined
          ? undefined
          : new RelayError('dispatch-failed', {
              details: { pallet: failure.pallet, error: failure.error, docs: 'it stands alone among the batch.' },
            }));
      if (error !== undefined || messageId === undefined)
        return [stored, { state: 'failed', error: error ?? new RelayError('outbox-changed') }];
      return [stored, { state: 'finalized', messageId, ...placeOf(inclusion) }];
    });
    await this.#end(ends, flight);
  }

  /**
   * It goes no further: its messages wait again. An account's are sealed anew, to what is then the newest key. A worker's stay
   * as they are signed, until it is known that they can not come in. `isDead`: it is not looked for any more.
   */
  async requeue(flight: Flight, { isDead }: { readonly isDead: boolean }): Promise<void> {
    const members = await this.#current(flight.members);
    const change = new ChainChange().removeFlight(flight);
    const remember = isDead ? undefined : this.#refused.add(flight, members, change);
    const statuses: (readonly [SendId, Progress])[] = [];
    for (const stored of members) {
      const { progress } = stored.record;
      // In a block by an extrinsic that was thought to be refused.
      if (isFinished(progress)) continue;
      const isKept = flight.as === 'worker';
      if (isKept && progress.state !== 'inBlock') continue;
      const next: Progress =
        isKept && 'messageId' in progress ? { state: 'submitted', messageId: progress.messageId } : { state: 'queued' };
      change.progress(stored, next);
      if (!isKept) change.queue(stored, 'account');
      statuses.push([stored.id, next]);
    }
    if (!(await this.#work.save(change, members, statuses))) throw new RelayError('outbox-changed');
    remember?.();
    this.#work.released();
  }

  /** Nobody can know whether an account's came in. What has a nonce waits again; a command is not posted twice. */
  async lostSight(flight: Flight, error: RelayError): Promise<void> {
    const members = await this.#current(flight.members);
    const commands = members.filter(({ record }) => record.suite === 'phala');
    const failed = { state: 'failed', error } as const;
    if (commands.length > 0) await this.#work.finish(commands.map((stored) => [stored, failed] as const));
    const left = flight.members.filter((id) => !commands.some((stored) => stored.id === id));
    if (left.length > 0) this.#work.notice(error);
    await this.requeue({ ...flight, members: left }, { isDead: true });
  }

  /** Not to be tried again; a node refused it. `flight` is undefined where it was not even stored. */
  async failed(items: readonly BatchItem[], flight: Flight | undefined, error: RelayError): Promise<void> {
    const members = await this.#current(items.map(({ stored }) => stored.id));
    const change = new ChainChange();
    const remember = flight === undefined ? undefined : this.#refused.add(flight, members, change);
    await this.#end(
      members.map((stored) => [stored, { state: 'failed', error }] as const),
      flight,
      change,
    );
    remember?.();
  }

  async #end(
    ends: readonly (readonly [Stored, Progress])[],
    flight: Flight | undefined,
    change = new ChainChange(),
  ): Promise<void> {
    if (flight !== undefined) change.removeFlight(flight);
    for (const [stored, { state }] of ends) {
      const { id, record } = stored;
      change.unqueue(stored, record.as);
      // What failed may be posted by whoever has seen its signature.
      if (state !== 'failed') change.unsign(id);
    }
    if (!(await this.#work.finish(ends, change))) throw new RelayError('outbox-changed');
    for (const [{ id }, { state }] of ends)
      if (state === 'failed') this.#sequencer.failed(id);
      else this.#sequencer.forget(id);
  }

  /** Of what was sealed; given up meanwhile, its signature tells. */
  async #idOf({ id, record: { progress } }: Stored): Promise<Hex | undefined> {
    return 'messageId' in progress ? progress.messageId : (await this.#work.store.signed(id))?.messageId;
  }

  /** Records as they are now: only the running outbox changes what is on its way. */
  async #current(ids: readonly SendId[]): Promise<Stored[]> {
    const found = await Promise.all(ids.map((id) => this.#work.store.get(id)));
    return found.filter((stored) => stored !== undefined);
  }
}

/** Throws no-calls. */
function idOf({ items: [first], fillers: { length } = [] }: Batch): SendId {
  if (first !== undefined) return first.stored.id;
  if (length > 0) return fillerFlight();
  throw new RelayError('no-calls');
}

function placeOf({ blockHash, blockNumber, isOutcomeUnknown }: Inclusion) {
  return { blockHash, blockNumber, ...(isOutcomeUnknown === true && { isOutcomeUnknown }) };
}
