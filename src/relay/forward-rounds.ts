import type { Hex } from '../codec/index.ts';
import type { Attempt } from './forward-outcome.ts';
import { RecentMap } from './recent-map.ts';

const maxRemembered = 10_000;

/**
 * What came of a message at each endpoint, over as many turns as it takes: it is given up only when none of them all would
 * take it, and what one refused it is not offered again.
 */
export class ForwardRounds {
  readonly #rounds = new RecentMap<Hex, ReadonlyMap<string, Attempt>>(maxRemembered);

  /** Endpoints that the message was not offered to in this round, in their order. */
  left(messageId: Hex, endpoints: readonly string[]): readonly string[] {
    const tried = this.#rounds.get(messageId);
    return [...new Set(endpoints)].filter((endpoint) => tried?.has(endpoint) !== true);
  }

  /** Notes a turn's outcomes. Gives those of all endpoints where the round is over, and begins the next one. */
  add(
    messageId: Hex,
    endpoints: readonly string[],
    outcomes: ReadonlyMap<string, Attempt>,
  ): ReadonlySet<Attempt> | undefined {
    const tried = new Map([...(this.#rounds.get(messageId) ?? []), ...outcomes]);
    const isOver = endpoints.every((endpoint) => tried.has(endpoint));
    const kept = [...tried].filter(([, outcome]) => !isOver || outcome === 'refused');
    this.#rounds.set(messageId, new Map(kept));
    return isOver ? new Set(endpoints.flatMap((endpoint) => tried.get(endpoint) ?? [])) : undefined;
  }
}
