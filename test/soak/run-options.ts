import { injections } from './injections.ts';

/** As they are given on the command line. */
export interface GivenOptions {
  readonly minutes: string;
  readonly seed: string;
  readonly node: string;
  /** Words of injections. */
  readonly without: readonly string[];
}

export interface RunOptions {
  readonly minutes: number;
  readonly seed: number;
  readonly node: 'embedded' | 'real';
  readonly without: readonly string[];
}

/** Throws where one says nothing: a run of another kind than was asked for would be taken for that one. */
export function runOptions({ minutes, seed, node, without }: GivenOptions): RunOptions {
  if (!/^[0-9]+(\.[0-9]+)?$/.test(minutes)) throw new Error(`--minutes ${minutes} is no number`);
  if (!/^[0-9]{1,10}$/.test(seed)) throw new Error(`--seed ${seed} is no whole number`);
  if (node !== 'embedded' && node !== 'real') throw new Error(`--node ${node} is neither embedded nor real`);
  const idle = without.find((words) => !injections.some(({ name }) => name.includes(words)));
  if (idle !== undefined) throw new Error(`--without ${idle} leaves nothing out: no injection is called so`);
  return { minutes: Number(minutes), seed: Number(seed), node, without };
}
