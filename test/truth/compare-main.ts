/** `npm run workers:compare`: see scripts/compare-workers.mjs. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { startDevProcess, startNodeProcess } from './chain-process.ts';
import { compareWorkers } from './compare-workers.ts';
import { Dice } from './dice.ts';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '30' },
    seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
  },
});
const [rounds, seed] = [Number(values.rounds), Number(values.seed)];
const finalityLag = 6;
const blockTimeMs = 500;

const isReal = process.env['KHALA_RELAY_NODE'] !== undefined;
console.log(`${rounds} rounds on ${isReal ? 'a real node' : 'the dev chain'}, seed ${seed}`);
const basePath = await mkdtemp(join(tmpdir(), 'khala-compare-'));
try {
  await using chain = await (isReal ? startNodeProcess(basePath, blockTimeMs) : startDevProcess(finalityLag));
  const tell = (line: string): void => {
    console.log(`  ${line}`);
  };
  for (const { finality, lines, differences } of await compareWorkers(chain, { rounds, dice: new Dice(seed), tell })) {
    const isSame = differences.length === 0;
    console.log(
      `workers --watch --finality ${finality}: ${lines} lines, ${isSame ? 'the same as' : 'NOT what'} a fresh look${isSame ? '' : ' shows'}`,
    );
    for (const line of differences) console.log(`  ${line}`);
    if (!isSame) process.exitCode = 1;
  }
} finally {
  await rm(basePath, { recursive: true, force: true });
}
