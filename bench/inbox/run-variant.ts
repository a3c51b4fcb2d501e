import { execFile, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Cost } from '../cost.ts';
import { median, rounded, type Result } from '../harness.ts';
import type { Task } from './variants.ts';

const here = (script: string): string => fileURLToPath(new URL(script, import.meta.url));

/** A process of a bench that serves until it is ended; `told` is the line that it begins with. */
export interface Served<T> extends AsyncDisposable {
  readonly told: T;
}

export async function serve<T>(script: string, ...args: readonly string[]): Promise<Served<T>> {
  const child = spawn(process.execPath, ['--import', 'tsx', here(script), ...args], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const exited = new Promise<void>((resolve) => child.once('close', () => resolve()));
  for await (const line of createInterface(child.stdout))
    return {
      told: JSON.parse(line) as T,
      async [Symbol.asyncDispose]() {
        child.stdin.end();
        await exited;
      },
    };
  throw new Error(`${script} ended`);
}

/** Runs a variant in a process of its own, `before` times to warm it up and then so many times; medians of those. `flags`: of Node. */
export async function costOfVariant(
  name: string,
  task: Task,
  before = 0,
  times = 1,
  flags: readonly string[] = [],
): Promise<Cost> {
  const args = [
    ...flags,
    // What is collected between runs takes compiled code with it.
    ...(before === 0 ? ['--expose-gc'] : []),
    '--import',
    'tsx',
    here('variant-process.ts'),
    name,
    JSON.stringify(task),
    String(before + times),
  ];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  const costs = (JSON.parse(stdout) as Cost[]).slice(before);
  const of = (measure: keyof Cost): number => median(costs.map((cost) => cost[measure]));
  return { cpuMs: of('cpuMs'), wallMs: of('wallMs'), peakMb: of('peakMb') };
}

/** What both cost in a round. */
export interface Compared {
  readonly ours: Cost;
  readonly baseline: Cost;
}

/** Both in turn, so many times. */
export async function compare(
  rounds: number,
  ours: () => Promise<Cost>,
  baseline: () => Promise<Cost>,
): Promise<Compared[]> {
  const costs = await inTurns(rounds, { ours, baseline });
  return besideEach(costs.ours, costs.baseline);
}

/** Each in turn, so many times; every other round in the other direction. Costs by round. */
export async function inTurns<Name extends string>(
  rounds: number,
  runs: Readonly<Record<Name, () => Promise<Cost>>>,
): Promise<Record<Name, Cost[]>> {
  const names = Object.keys(runs) as Name[];
  const costs = Object.fromEntries(names.map((name) => [name, []])) as unknown as Record<Name, Cost[]>;
  for (let round = 0; round < rounds; round++)
    for (const name of round % 2 === 0 ? names : names.toReversed()) costs[name].push(await runs[name]());
  return costs;
}

/** Costs of as many rounds of two. */
export function besideEach(ours: readonly Cost[], baseline: readonly Cost[]): Compared[] {
  return ours.flatMap((cost, i) => {
    const beside = baseline[i];
    return beside === undefined ? [] : [{ ours: cost, baseline: beside }];
  });
}

/** Medians of one measure over the rounds. */
export function resultOf(name: string, unit: string, costs: readonly Compared[], measure: keyof Cost): Result {
  return {
    name,
    ours: rounded(median(costs.map(({ ours }) => ours[measure]))),
    baseline: rounded(median(costs.map(({ baseline }) => baseline[measure]))),
    ratio: rounded(median(costs.map(({ ours, baseline }) => ours[measure] / baseline[measure]))),
    unit,
  };
}
