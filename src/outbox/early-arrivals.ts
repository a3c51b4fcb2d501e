import type { Fates } from '../chain/index.ts';
import { ChainChange } from './chain-store.ts';
import type { RefusedFlight } from './flight.ts';
import { placeIn, type Place } from './place-in.ts';
import type { SendId } from './send-id.ts';
import type { ChainWork } from './work.ts';

/**
 * Messages of an account that came in by extrinsics which are not followed, as long as their block may go: they wait for
 * nothing, and wait again where a reorg takes it.
 */
export class EarlyArrivals {
  readonly #work: ChainWork;
  /** In a block when it was looked last; those that are followed may be among them. */
  readonly #ids = new Set<SendId>();

  constructor(work: ChainWork) {
    this.#work = work;
  }

  async load(all: readonly RefusedFlight[]): Promise<void> {
    for (const { id } of all.flatMap(({ members }) => members))
      if ((await this.#work.store.get(id))?.record.progress.state === 'inBlock') this.#ids.add(id);
  }

  /** `flying`: members of extrinsics that are followed, which tell where those are. Throws what the store throws. */
  async note(all: readonly RefusedFlight[], { of }: Fates, flying: ReadonlySet<SendId>): Promise<void> {
    const found = new Map<SendId, { readonly place: Place; readonly isFinal: boolean }>();
    const gone = new Set<SendId>();
    for (const refused of all) {
      const fate = of.get(refused.extrinsic.hash);
      if (refused.as === 'worker' || fate === undefined) continue;
      for (const [i, { id }] of refused.members.entries()) {
        if (flying.has(id)) continue;
        const place = placeIn(refused, i, fate);
        if (place !== undefined) found.set(id, { place, isFinal: fate.kind === 'included' && fate.isFinal });
        else if (this.#ids.has(id)) gone.add(id);
      }
    }
    for (const [id, { place, isFinal }] of found)
      // Where it is final it has its end.
      if (isFinal) this.#ids.delete(id);
      else await this.#arrive(id, place);
    for (const id of gone) if (!found.has(id)) await this.#takeBack(id);
  }

  async #arrive(id: SendId, place: Place): Promise<void> {
    const stored = await this.#work.store.get(id);
    if (stored === undefined) return;
    const { progress } = stored.record;
    const isMoved = progress.state === 'inBlock' && progress.blockHash !== place.blockHash;
    const change = new ChainChange().unqueue(stored, 'account');
    if (progress.state === 'failed') {
      // Whoever believes that it failed sends it again: finality may never come.
      await this.#work.finish([[stored, { state: 'finalized', ...place }]], change);
    } else if (isMoved || progress.state === 'queued') {
      const next = { state: 'inBlock', ...place } as const;
      if (await this.#work.save(change.progress(stored, next), [stored], [[id, next]])) this.#ids.add(id);
    }
  }

  async #takeBack(id: SendId): Promise<void> {
    const stored = await this.#work.store.get(id);
    if (stored?.record.progress.state === 'inBlock') {
      const next = { state: 'queued' } as const;
      const change = new ChainChange().progress(stored, next).queue(stored, 'account');
      if (!(await this.#work.save(change, [stored], [[id, next]]))) return;
    }
    this.#ids.delete(id);
  }
}
