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

export function reportRun(seed: number, { workers, calls, mishaps, changes, faults, named, missed }: RunResult): void {
  const list = (counts: Readonly<Record<string, number>>): string =>
    Object.entries(counts)
      .map(([name, count]) => `${count} ${name}`)
      .join(', ');
  const lies = Object.entries(named).map(([name, each]) => `${each.join(', ') || 'nothing'} (${name})`);
  const lines = [
    `seed ${seed}: ${list(calls)}; ${workers} workers`,
    `mishaps: ${list(mishaps)}; faults: ${list(faults)}`,
    `liars named: ${lies.join('; ')}`,
    `changes seen: ${list(changes)}; missed by hints: ${list(missed)}`,
  ];
  process.stderr.write(lines.map((line) => `      ${line}\n`).join(''));
}
