import { isRelayError } from '../errors/index.ts';
import { LinkedAbort, pause } from '../signals/index.ts';
import { backoffMs, type Backoff } from './backoff.ts';
import type { Place } from './reply-places.ts';
import type { RelayWay } from './relay-way.ts';

export interface WaysOptions {
  /** Pauses between attempts. */
  readonly backoff: Backoff;
  readonly signal: AbortSignal;
  /** Codes of errors after which a way is not taken again. */
  readonly hopeless: ReadonlySet<string>;
}

/** The ways to one relay: each is tried once, then again and again, and the one that was good stays the first. */
export class Ways {
  readonly #options: WaysOptions;
  readonly #likeliest: RelayWay;
  #ways: readonly RelayWay[];
  #failures = 0;

  constructor(place: Place, options: WaysOptions) {
    this.#ways = place;
    this.#likeliest = place[0];
    this.#options = options;
  }

  /**
   * What `attempt` resolves with, at last. Throws the hopeless error of the last way that was left, what is no RelayError, and
   * the signal's reason.
   */
  async go<T>(attempt: (way: RelayWay) => Promise<T>): Promise<T> {
    const { signal, backoff, hopeless } = this.#options;
    for (;;) {
      signal.throwIfAborted();
      const way = this.#ways[this.#failures % this.#ways.length] ?? this.#likeliest;
      try {
        const outcome = await attempt(way);
        this.#failures = 0;
        this.#ways = [way, ...this.#ways.filter((other) => other !== way)];
        return outcome;
      } catch (error) {
        signal.throwIfAborted();
        if (!isRelayError(error)) throw error;
        if (hopeless.has(error.code)) this.#ways = this.#ways.filter((other) => other !== way);
        if (this.#ways.length === 0) throw error;
      }
      this.#failures += 1;
      // Each way at once, the first time.
      const again = this.#failures - this.#ways.length + 1;
      if (again > 0) await pause(backoffMs(again, backoff), signal);
    }
  }
}

/** The first that succeeds; the others' signal ends then. Throws the last error where all `isHopeless`, else the first other. */
export async function firstOf<T>(
  places: readonly Place[],
  given: AbortSignal,
  isHopeless: (error: unknown) => boolean,
  work: (place: Place, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const over = new LinkedAbort(given);
  const { signal } = over;
  const attempt = async (place: Place): Promise<{ readonly value: T } | { readonly error: unknown }> => {
    try {
      return { value: await work(place, signal) };
    } catch (error) {
      if (isHopeless(error)) throw error;
      return { error };
    }
  };
  try {
    const outcome = await Promise.any(places.map(attempt));
    if ('error' in outcome) throw outcome.error;
    return outcome.value;
  } catch (error) {
    throw error instanceof AggregateError ? error.errors.at(-1) : error;
  } finally {
    over.abort();
    over.unlink();
  }
}
