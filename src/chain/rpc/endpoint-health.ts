/** Time after which a failure counts half, ms. */
const halfLifeMs = 60_000;
/** Finalized blocks that an endpoint may lag behind the furthest: nodes don't import at the same instant. */
const tolerableLag = 2;
/** Latencies within such a factor count as equal: the order given decides then. */
const latencyFactor = 4;
/** How long the word of one that others contradicted does not count against those in use, ms. */
export const doubtMs = 600_000;
/** Share of a new measurement in the average. */
const newShare = 0.3;

interface Health {
  failures: number;
  /** When `failures` was true, ms. */
  asOf: number;
  latencyMs: number | undefined;
  finalized: number | undefined;
  /** Whether it says that it has newer blocks than its subscription tells of: its word does not count then. */
  isMute: boolean;
  /** Times that it was found not to do its part. */
  distrusts: number;
  /** When others last contradicted it, ms. */
  doubtedAt: number;
}

/** How each endpoint has done so far, and so which one to try first. */
export class EndpointHealth {
  readonly #now: () => number;
  readonly #quorum: number;
  readonly #health: Map<string, Health>;

  /** `urls` in the order of preference where nothing else tells. `now`: ms. */
  constructor(urls: readonly string[], now: () => number, quorum = 1) {
    this.#now = now;
    this.#quorum = quorum;
    this.#health = new Map(
      urls.map((url) => [
        url,
        {
          ...{ failures: 0, asOf: 0, latencyMs: undefined, finalized: undefined, isMute: false },
          ...{ distrusts: 0, doubtedAt: -Infinity },
        },
      ]),
    );
  }

  /** Best first: in sync before behind, then fewer recent failures, then much faster, then as given. */
  get ranked(): string[] {
    const { furthest } = this;
    const keys = new Map(
      Array.from(this.#health, ([url, health], place) => {
        const { finalized = furthest, latencyMs = 1 } = health;
        const isBehind = finalized < furthest - tolerableLag;
        const latencyClass = Math.round(Math.log(Math.max(latencyMs, 1)) / Math.log(latencyFactor));
        return [url, [isBehind ? 1 : 0, Math.round(this.#failuresNow(health)), latencyClass, place]];
      }),
    );
    return [...keys].sort(([, a], [, b]) => compare(a, b)).map(([url]) => url);
  }

  /**
   * The highest finalized block that as many endpoints as must agree have, or that those which told of one have: one
   * alone could make all others seem to be behind.
   */
  get furthest(): number {
    const told = this.#told;
    return told[Math.min(this.#quorum, told.length) - 1] ?? 0;
  }

  /** Highest first. */
  get #told(): number[] {
    const told = [...this.#health.values()].map(({ finalized }) => finalized).filter((number) => number !== undefined);
    return told.sort((a, b) => b - a);
  }

  /** What this one told counts no more. */
  leave(url: string): void {
    this.#health.delete(url);
  }

  /** Others contradict it: what it told counts no more until it tells it anew. */
  doubted(url: string): void {
    const health = this.#health.get(url);
    if (health === undefined) return;
    health.finalized = undefined;
    health.doubtedAt = this.#now();
  }

  /** Who contradicted it was left. */
  believed(url: string): void {
    const health = this.#health.get(url);
    if (health !== undefined) health.doubtedAt = -Infinity;
  }

  /** Whether others contradicted it within the last ten minutes. */
  isDoubted(url: string): boolean {
    return this.#now() - (this.#health.get(url)?.doubtedAt ?? -Infinity) < doubtMs;
  }

  /** It does not do its part: what it told until now may be made up. */
  distrusted(url: string): void {
    const health = this.#health.get(url);
    if (health === undefined) return;
    health.distrusts++;
    this.failed(url);
  }

  distrustsOf(url: string): number {
    return this.#health.get(url)?.distrusts ?? 0;
  }

  /** Who told of finalized block `number` or later counts no more until it tells it anew. */
  forgetFrom(number: number): void {
    for (const health of this.#health.values()) if ((health.finalized ?? -1) >= number) health.finalized = undefined;
  }

  failed(url: string): void {
    const health = this.#health.get(url);
    if (health === undefined) return;
    health.failures = this.#failuresNow(health) + 1;
    health.asOf = this.#now();
  }

  /** A small request was answered after so long. */
  answered(url: string, latencyMs: number): void {
    const health = this.#health.get(url);
    if (health === undefined) return;
    health.latencyMs =
      health.latencyMs === undefined ? latencyMs : health.latencyMs * (1 - newShare) + latencyMs * newShare;
  }

  /** It told of a finalized block of this number. */
  finalized(url: string, number: number): void {
    const health = this.#health.get(url);
    if (health?.isMute === false) health.finalized = number;
  }

  /** What it said of how far it is counts no more, until it {@link tells} of a block by itself. */
  tellsNothing(url: string): void {
    const health = this.#health.get(url);
    if (health === undefined) return;
    health.isMute = true;
    health.finalized = undefined;
  }

  tells(url: string): void {
    const health = this.#health.get(url);
    if (health !== undefined) health.isMute = false;
  }

  /**
   * The finalized block that one must have not to be behind: the highest that as many as must agree told of, and of two
   * the higher one. One of more could claim to be far ahead of all others.
   */
  get due(): number {
    const told = this.#told;
    return told[Math.min(this.#quorum, Math.max(1, told.length - 1)) - 1] ?? 0;
  }

  #failuresNow({ failures, asOf }: Health): number {
    return failures * 0.5 ** ((this.#now() - asOf) / halfLifeMs);
  }
}

function compare(a: readonly number[], b: readonly number[]): number {
  const at = a.findIndex((value, i) => value !== b[i]);
  return at === -1 ? 0 : (a[at] ?? 0) - (b[at] ?? 0);
}
