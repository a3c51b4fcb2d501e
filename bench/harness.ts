/** Two ways to the same result, measured side by side. */
export interface Bench {
  /** `room/what`. */
  readonly name: string;
  /** One operation of khala-relay. */
  readonly ours: () => unknown;
  /** The same result by the nearest other means. */
  readonly baseline: () => unknown;
  /** Operations that one call of `ours` makes. Default 1. */
  readonly oursPerCall?: number;
  /** As for `baseline`. Default 1. */
  readonly baselinePerCall?: number;
  /** Ends what the bench started. */
  readonly end?: () => Promise<void>;
}

/** Both sides at work in processes of their own, or measured in something else than time: the bench does it all. */
export interface Comparison {
  /** `room/what`; the names of its results begin with it. */
  readonly name: string;
  /** Starts what it needs, and ends it. */
  readonly run: () => Promise<readonly Result[]>;
}

export interface Result {
  readonly name: string;
  /** Median of one operation, or of one run. */
  readonly ours: number;
  readonly baseline: number;
  /** ours / baseline, median over the rounds: below 1 khala-relay is the cheaper one, but for rates (`…/s`). */
  readonly ratio: number;
  /** `µs/op`, `ms CPU`, `MB`, `messages/s`, … */
  readonly unit: string;
}

const rounds = 21;
const roundMs = 40;
const warmUpMs = 200;

/**
 * Rounds alternate between the two, so that a machine that is busy for a while is busy for both, and medians forget the
 * rounds in which it was. A ratio therefore tells more than either time.
 */
export async function measure(bench: Bench): Promise<Result> {
  const { name, ours, baseline, oursPerCall = 1, baselinePerCall = 1 } = bench;
  const [oursRound, baselineRound] = [await calibrated(ours, oursPerCall), await calibrated(baseline, baselinePerCall)];
  const times: { ours: number; baseline: number }[] = [];
  for (let round = 0; round < rounds; round++) {
    const oursFirst = round % 2 === 0;
    const first = await (oursFirst ? oursRound : baselineRound)();
    const second = await (oursFirst ? baselineRound : oursRound)();
    times.push(oursFirst ? { ours: first, baseline: second } : { ours: second, baseline: first });
  }
  return {
    name,
    ours: rounded(median(times.map((time) => time.ours))),
    baseline: rounded(median(times.map((time) => time.baseline))),
    ratio: rounded(median(times.map((time) => time.ours / time.baseline))),
    unit: 'µs/op',
  };
}

/** Warms up, then gives a function that runs about `roundMs` worth of operations and returns µs per operation. */
async function calibrated(operation: () => unknown, perCall: number): Promise<() => Promise<number>> {
  let operations = 1;
  let elapsedMs = 0;
  for (const end = performance.now() + warmUpMs; performance.now() < end || elapsedMs < roundMs / 4;) {
    elapsedMs = await elapsed(operation, operations);
    if (elapsedMs < roundMs / 2) operations *= 2;
  }
  const count = Math.max(1, Math.round((operations * roundMs) / elapsedMs));
  return async () => ((await elapsed(operation, count)) * 1000) / (count * perCall);
}

/** An operation that returns no promise is not awaited: a turn of the event loop costs more than a seal. */
async function elapsed(operation: () => unknown, operations: number): Promise<number> {
  const start = performance.now();
  for (let i = 0; i < operations; i++) {
    const result = operation();
    if (result instanceof Promise) await result;
  }
  return performance.now() - start;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

export function rounded(value: number): number {
  return Number(value.toPrecision(4));
}
