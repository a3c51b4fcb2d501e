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

export function reportRun(
  seed: number,
  { workers, calls, ran, failedShare, specVersions, mishaps, faults, followers }: RunResult,
): void {
  const list = (counts: Readonly<Record<string, number>>): string =>
    Object.entries(counts)
      .map(([name, count]) => `${count} ${name}`)
      .join(', ');
  const lines = [
    `seed ${seed}: ${list(calls)}; ${workers} workers; the chain ran ${list(ran)}`,
    `${Math.round(100 * failedShare)} % of those in batches came to nothing; runtimes ${specVersions.join(', ')}`,
    `mishaps: ${list(mishaps)}; faults: ${list(faults)}`,
  ];
  for (const { name, changes, takenBack, passedOver, invalidRecords, missed, compared, liars } of followers) {
    lines.push(
      `${name}: ${changes} changes, ${takenBack} of them taken back, ${passedOver} blocks passed over, ${invalidRecords} invalid records, ${missed} missed by hints; at the end ${list({ ...compared })}`,
    );
    for (const { lie, told, fault } of liars)
      lines.push(`  one ${lie}, ${told} times: ${fault === undefined ? 'not named' : fault.error.message}`);
  }
  process.stderr.write(lines.map((line) => `      ${line}\n`).join(''));
}
