import type { Hex } from '../codec/index.ts';
import { backoffMs, checkBackoff, type Backoff } from './backoff.ts';
import { checkValue } from '../errors/index.ts';
import { relayKey } from './relay-url.ts';

export interface EndpointHealthOptions {
  /** How long an endpoint comes last after failures in a row. Default 1 s to 5 min. */
  readonly backoff?: Backoff;
  /** Unix time, ms. Default Date.now. */
  readonly now?: () => number;
  /** Endpoints that are remembered, those used last. Default 10 000. */
  readonly capacity?: number;
}

interface Record {
  /** In a row. */
  failures: number;
  /** One more with each failure, and half of them with each success: one that is good each second time stays doubtful. */
  doubts: number;
  /** Unix time, ms. */
  lastUntil: number;
  /** The entity that it hands messages to itself, where it has done so. */
  direct: Hex | undefined;
}

// Gone after four good times.
const mostDoubts = 8;

/**
 * What a sender has seen of endpoints, to try the likeliest first. Nothing is ever left out: who has one endpoint that was
 * down is tried there again.
 */
export class EndpointHealth {
  readonly #options: Required<EndpointHealthOptions>;
  /** In the order of their use. */
  readonly #records = new Map<string, Record>();

  constructor(options: EndpointHealthOptions = {}) {
    this.#options = { backoff: { firstMs: 1_000, mostMs: 300_000 }, now: Date.now, capacity: 10_000, ...options };
    checkBackoff(this.#options.backoff);
    checkValue('health.capacity', this.#options.capacity >= 0, '0 or more');
  }

  /**
   * The endpoints of `to` in the order to try: those that have not just failed before those that have, the recipient's own
   * before relays, else as its owner lists them.
   */
  ranked(endpoints: readonly string[], to: Hex): readonly string[] {
    const now = this.#options.now();
    const rank = (endpoint: string): number => {
      const record = this.#records.get(nameOf(endpoint));
      if (record === undefined) return 1;
      if (now < record.lastUntil) return 2;
      return record.direct === to ? 0 : 1;
    };
    // Stable, so that the owner's order is kept.
    return endpoints
      .map((endpoint) => [rank(endpoint), endpoint] as const)
      .sort(([a], [b]) => a - b)
      .map(([, endpoint]) => endpoint);
  }

  /** It failed the last time, or often lately. */
  isDoubtful(endpoint: string): boolean {
    return (this.#records.get(nameOf(endpoint))?.doubts ?? 0) > 0;
  }

  /** It took a message; `direct`: the recipient itself has it. */
  succeeded(endpoint: string, to: Hex, isDirect: boolean): void {
    const doubts = Math.floor((this.#records.get(nameOf(endpoint))?.doubts ?? 0) / 2);
    this.#keep(endpoint, { failures: 0, doubts, lastUntil: 0, direct: isDirect ? to : undefined });
  }

  failed(endpoint: string): void {
    const { backoff, now } = this.#options;
    const record = this.#records.get(nameOf(endpoint));
    const failures = (record?.failures ?? 0) + 1;
    const doubts = Math.min(mostDoubts, (record?.doubts ?? 0) + 1);
    this.#keep(endpoint, { failures, doubts, lastUntil: now() + backoffMs(failures, backoff), direct: record?.direct });
  }

  #keep(endpoint: string, record: Record): void {
    const name = nameOf(endpoint);
    this.#records.delete(name);
    this.#records.set(name, record);
    const [oldest] = this.#records.keys();
    if (this.#records.size > this.#options.capacity && oldest !== undefined) this.#records.delete(oldest);
  }
}

// A base URL for http and for ws is one relay, but one of them may be cut off by a proxy.
function nameOf(endpoint: string): string {
  return URL.canParse(endpoint) ? `${new URL(endpoint).protocol}${relayKey(endpoint)}` : endpoint;
}
