import type { Fates } from '../chain/index.ts';
import type { Hex } from '../codec/index.ts';
import { ChainChange } from './chain-store.ts';
import type { RefusedFlight } from './flight.ts';
import type { Progress } from './message-record.ts';
import type { Stored } from './outbox-change.ts';
import { placeIn, type Place } from './place-in.ts';
import type { SendId } from './send-id.ts';
import type { Work } from './work.ts';

/**
 * Messages of an account that came in by extrinsics which are not followed, as long as their block may go: they wait for
 * nothing, and wait again where a reorg takes it.
 */
export class EarlyArrivals {
  readonly #work: Pick<Work, 'store' | 'save' | 'finish'>;
  /**
   * The block that each was in when it was looked last, as its record says too; undefined where something else may have
   * changed that. Those that are followed may be among them.
   */
  readonly #blocks = new Map<SendId, Hex | undefined>();

  constructor(work: Pick<Work, 'store' | 'save' | 'finish'>) {
    this.#work = work;
  }

  async load(all: readonly RefusedFlight[]): Promise<void> {
    for (const { id } of all.flatMap(({ members }) => members)) {
      const progress = (await this.#work.store.get(id))?.record.progress;
      if (progress?.state === 'inBlock') this.#blocks.set(id, progress.blockHash);
    }
  }

  /** `inFlight`: members of extrinsics that are followed, which tell where those are. Throws what the store throws. */
  async note(all: readonly RefusedFlight[], { of }: Fates, inFlight: ReadonlySet<SendId>): Promise<void> {
    const found = new Map<SendId, { readonly place: Place; readonly isFinal: boolean }>();
    const gone = new Set<SendId>();
    for (const refused of all) {
      const fate = of.get(refused.extrinsic.hash);
      if (refused.as === 'worker' || fate === undefined) continue;
      for (const [i, { id }] of refused.members.entries()) {
        if (inFlight.has(id)) {
          if (this.#blocks.has(id)) this.#blocks.set(id, undefined);
          continue;
        }
        const place = placeIn(refused, i, fate);
        if (place !== undefined) found.set(id, { place, isFinal: fate.kind === 'included' && fate.isFinal });
        else if (this.#blocks.has(id)) gone.add(id);
      }
    }
    const arriving = new Map<SendId, Place>();
    for (const [id, { place, isFinal }] of found)
      // Where it is final it has its end.
      if (isFinal) this.#blocks.delete(id);
      else if (this.#blocks.get(id) !== place.blockHash) arriving.set(id, place);
    // Where another process has changed one of them, all are looked at anew.
    while (!(await this.#arrive(arriving)));
    while (!(await this.#takeBack([...gone].filter((id) => !found.has(id)))));
  }

  /** False: another process has changed one of them, and their records do not all say so. */
  async #arrive(arriving: ReadonlyMap<SendId, Place>): Promise<boolean> {
    const change = new ChainChange();
    const from: Stored[] = [];
    const statuses: (readonly [SendId, Progress])[] = [];
    const ends: (readonly [Stored, Progress])[] = [];
    const ending = new ChainChange();
    const open = new Set<SendId>();
    for (const [id, place] of arriving) {
      const stored = await this.#work.store.get(id);
      if (stored === undefined) continue;
      const { progress } = stored.record;
      const isMoved = progress.state === 'inBlock' && progress.blockHash !== place.blockHash;
      if (progress.state === 'queued' || isMoved) {
        const next = { state: 'inBlock', ...place } as const;
        change.progress(stored, next).unqueue(stored, 'account');
        from.push(stored);
        statuses.push([id, next]);
      } else if (progress.state === 'failed') {
        // Whoever believes that it failed sends it again: finality may never come.
        ending.unqueue(stored, 'account');
        ends.push([stored, { state: 'finalized', ...place }]);
      } else if (progress.state === 'submitted') {
        // In an extrinsic that is followed by now.
        open.add(id);
      }
    }
    if (from.length > 0 && !(await this.#work.save(change, from, statuses))) return false;
    if (ends.length > 0 && !(await this.#work.finish(ends, ending))) return false;
    for (const [id, { blockHash }] of arriving) if (!open.has(id)) this.#blocks.set(id, blockHash);
    return true;
  }

  /** As {@link #arrive}, of those that are in no block any more. */
  async #takeBack(ids: readonly SendId[]): Promise<boolean> {
    const next = { state: 'queued' } as const;
    const change = new ChainChange();
    const from: Stored[] = [];
    for (const id of ids) {
      const stored = await this.#work.store.get(id);
      if (stored?.record.progress.state !== 'inBlock') continue;
      change.progress(stored, next).queue(stored, 'account');
      from.push(stored);
    }
    const statuses = from.map(({ id }) => [id, next] as const);
    if (from.length > 0 && !(await this.#work.save(change, from, statuses))) return false;
    for (const id of ids) this.#blocks.delete(id);
    return true;
  }
}
