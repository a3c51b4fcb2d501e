/** `npm run workers:compare`: see scripts/compare-workers.mjs. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { startDevProcess, startForkingProcess, startNodeProcess, type ChainProcess } from './chain-process.ts';
import { compareWorkers, leastRounds } from './compare-workers.ts';
import { Dice } from './dice.ts';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '30' },
    seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
  },
});
const [rounds, seed] = [Number(values.rounds), Number(values.seed)];
if (!Number.isInteger(rounds) || rounds < leastRounds) {
  console.error(`--rounds must be ${leastRounds} or more: in each of the first something else is done`);
  process.exit(2);
}
const finalityLag = 6;
const blockTimeMs = 500;

const isReal = process.env['KHALA_RELAY_NODE'] !== undefined;
const folder = await mkdtemp(join(tmpdir(), 'khala-compare-'));
const chains: readonly (readonly [name: string, start: () => Promise<ChainProcess>])[] = isReal
  ? [
      ['a real node', () => startNodeProcess(folder, blockTimeMs)],
      ['a real node that finalizes nothing', startForkingProcess],
    ]
  : [['the dev chain', () => startDevProcess(folder, finalityLag)]];

const tell = (line: string): void => {
  console.log(`  ${line}`);
};

try {
  for (const [name, start] of chains) {
    console.log(`${rounds} rounds on ${name}, seed ${seed}`);
    await using chain = await start();
    for (const { finality, lines, differences } of await compareWorkers(chain, {
      rounds,
      dice: new Dice(seed),
      tell,
    })) {
      const isSame = differences.length === 0;
      const verdict = isSame ? 'the same as a fresh look' : 'NOT what a fresh look shows';
      console.log(`workers --watch --finality ${finality}: ${lines} lines, ${verdict}`);
      differences.forEach(tell);
      if (!isSame) process.exitCode = 1;
    }
  }
} finally {
  await rm(folder, { recursive: true, force: true });
}
