import type { Hex } from '../codec/index.ts';
import type { Attempt } from './forward-outcome.ts';

interface Round {
  readonly messageId: Hex;
  readonly tried: ReadonlyMap<string, Attempt>;
}

/**
 * What came of the first message of each queue at each endpoint, over as many turns as it takes: it is given up only when none of
 * them all would take it, and what one refused it is not offered again.
 */
export class ForwardRounds {
  readonly #rounds = new Map<Hex, Round>();

  /** Endpoints that the message was not offered to in this round, in their order. */
  left(queue: Hex, messageId: Hex, endpoints: readonly string[]): readonly string[] {
    const tried = this.#triedOf(queue, messageId);
    return [...new Set(endpoints)].filter((endpoint) => tried?.has(endpoint) !== true);
  }

  /** Notes a turn's outcomes. Gives those of all endpoints where the round is over, and begins the next one. */
  add(
    queue: Hex,
    messageId: Hex,
    endpoints: readonly string[],
    outcomes: ReadonlyMap<string, Attempt>,
  ): ReadonlySet<Attempt> | undefined {
    const tried = new Map([...(this.#triedOf(queue, messageId) ?? []), ...outcomes]);
    const isOver = endpoints.every((endpoint) => tried.has(endpoint));
    const kept = [...tried].filter(([, outcome]) => !isOver || outcome === 'refused');
    this.#rounds.set(queue, { messageId, tried: new Map(kept) });
    return isOver ? new Set(endpoints.flatMap((endpoint) => tried.get(endpoint) ?? [])) : undefined;
  }

  /** Its first message is done with. */
  end(queue: Hex): void {
    this.#rounds.delete(queue);
  }

  #triedOf(queue: Hex, messageId: Hex): ReadonlyMap<string, Attempt> | undefined {
    const round = this.#rounds.get(queue);
    return round?.messageId === messageId ? round.tried : undefined;
  }
}
