import type { RunResult } from './run.ts';

export interface RunSettings {
  readonly seed: number;
  readonly steps: number;
}

/** `KHALA_RELAY_TRUTH_STEPS` and `KHALA_RELAY_TRUTH_SEED`; a new seed for each run unless one is given. */
export function runSettings(steps: number): RunSettings {
  const { KHALA_RELAY_TRUTH_STEPS: wanted, KHALA_RELAY_TRUTH_SEED: seed } = process.env;
  return {
    seed: seed === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(seed),
    steps: wanted === undefined ? steps : Number(wanted),
  };
}

export function reportRun(seed: number, { workers, calls, changes, faults, missed }: RunResult): void {
  const list = (counts: Readonly<Record<string, number>>): string =>
    Object.entries(counts)
      .map(([name, count]) => `${count} ${name}`)
      .join(', ');
  process.stderr.write(
    `      seed ${seed}: ${calls} calls, ${workers} workers; changes seen: ${list(changes)}; missed by hints: ${list(missed)}; faults: ${list(faults)}\n`,
  );
}
