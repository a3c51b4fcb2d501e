// npm run fuzz -- [--cases N] [--seed S] [--target NAME]: as many cases as wanted, shared by the targets of test/fuzz/targets.ts.
import { parseArgs } from 'node:util';
import { fuzz } from '../test/fuzz/run-target.ts';
import { targets } from '../test/fuzz/targets.ts';

const { values } = parseArgs({
  options: {
    cases: { type: 'string', default: '1000000' },
    seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
    target: { type: 'string', default: '' },
  },
});
const chosen = targets.filter(({ name }) => name.startsWith(values.target));
const each = Math.ceil(Number(values.cases) / chosen.length);
console.log(`${each * chosen.length} cases, ${each} for each of ${chosen.length} targets, seed ${values.seed}`);
for (const target of chosen) {
  const start = performance.now();
  fuzz(target, each, Number(values.seed));
  console.log(`${target.name}: ${((performance.now() - start) / 1_000).toFixed(1)} s`);
}
