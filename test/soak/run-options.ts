import { parseArgs } from 'node:util';
import { injections } from './injections.ts';

export interface RunOptions {
  readonly minutes: number;
  readonly seed: number;
  readonly node: 'embedded' | 'real';
  /** Words of injections. */
  readonly without: readonly string[];
}

/**
 * As they are given on the command line. Throws where one is unknown or says nothing: a run of another kind than was asked for
 * would be taken for that one.
 */
export function runOptions(args: readonly string[], nodeProgram: string | undefined): RunOptions {
  const { minutes, seed, node, without } = parseArgs({
    args: [...args],
    options: {
      minutes: { type: 'string', default: '5' },
      seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
      node: { type: 'string', default: 'embedded' },
      without: { type: 'string', multiple: true, default: [] },
    },
  }).values;
  if (!/^[0-9]+(\.[0-9]+)?$/.test(minutes)) throw new Error(`--minutes ${minutes} is no number`);
  if (!/^[0-9]{1,10}$/.test(seed)) throw new Error(`--seed ${seed} is no whole number`);
  if (node !== 'embedded' && node !== 'real') throw new Error(`--node ${node} is neither embedded nor real`);
  if (node === 'real' && nodeProgram === undefined) throw new Error('--node real needs KHALA_RELAY_NODE');
  const idle = without.find((words) => !injections.some(({ name }) => name.includes(words)));
  if (idle !== undefined) throw new Error(`--without ${idle} leaves nothing out: no injection is called so`);
  return { minutes: Number(minutes), seed: Number(seed), node, without };
}
