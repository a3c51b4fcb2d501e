import type { Fates } from '../chain/index.ts';
import type { Hex } from '../codec/index.ts';
import { ChainChange } from './chain-store.ts';
import type { RefusedFlight } from './flight.ts';
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

  /** `flying`: members of extrinsics that are followed, which tell where those are. Throws what the store throws. */
  async note(all: readonly RefusedFlight[], { of }: Fates, flying: ReadonlySet<SendId>): Promise<void> {
    const found = new Map<SendId, { readonly place: Place; readonly isFinal: boolean }>();
    const gone = new Set<SendId>();
    for (const refused of all) {
      const fate = of.get(refused.extrinsic.hash);
      if (refused.as === 'worker' || fate === undefined) continue;
      for (const [i, { id }] of refused.members.entries()) {
        if (flying.has(id)) {
          if (this.#blocks.has(id)) this.#blocks.set(id, undefined);
          continue;
        }
        const place = placeIn(refused, i, fate);
        if (place !== undefined) found.set(id, { place, isFinal: fate.kind === 'included' && fate.isFinal });
        else if (this.#blocks.has(id)) gone.add(id);
      }
    }
    for (const [id, { place, isFinal }] of found)
      // Where it is final it has its end.
      if (isFinal) this.#blocks.delete(id);
      else if (this.#blocks.get(id) !== place.blockHash && (await this.#arrive(id, place)))
        this.#blocks.set(id, place.blockHash);
    for (const id of gone) if (!found.has(id)) await this.#takeBack(id);
  }

  /** Whether its record says so now. False: another process has changed it. */
  async #arrive(id: SendId, place: Place): Promise<boolean> {
    const stored = await this.#work.store.get(id);
    if (stored === undefined) return true;
    const { progress } = stored.record;
    const change = new ChainChange().unqueue(stored, 'account');
    // Whoever believes that it failed sends it again: finality may never come.
    if (progress.state === 'failed') return this.#work.finish([[stored, { state: 'finalized', ...place }]], change);
    // In an extrinsic that is followed by now.
    if (progress.state === 'submitted') return false;
    const isMoved = progress.state === 'inBlock' && progress.blockHash !== place.blockHash;
    if (!isMoved && progress.state !== 'queued') return true;
    const next = { state: 'inBlock', ...place } as const;
    return this.#work.save(change.progress(stored, next), [stored], [[id, next]]);
  }

  async #takeBack(id: SendId): Promise<void> {
    const stored = await this.#work.store.get(id);
    if (stored?.record.progress.state === 'inBlock') {
      const next = { state: 'queued' } as const;
      const change = new ChainChange().progress(stored, next).queue(stored, 'account');
      if (!(await this.#work.save(change, [stored], [[id, next]]))) return;
    }
    this.#blocks.delete(id);
  }
}
