// npm run bench -- [NAME] [--json]: runs every bench whose name begins with NAME.
import { readdirSync } from 'node:fs';
import { measure, type Bench, type Comparison, type Result } from './harness.ts';

const args = process.argv.slice(2);
const json = args.includes('--json');
const name = args.find((arg) => !arg.startsWith('--')) ?? '';

const all = await benches();
const chosen = all.filter((bench) => bench.name.startsWith(name));
if (chosen.length === 0) {
  console.error(`No bench begins with "${name}"; bench/README.md lists them`);
  process.exitCode = 2;
}

if (!json && chosen.length > 0) console.log(line('', 'ours', 'baseline', 'ratio', 'unit'));
for (const bench of chosen) {
  const results = 'run' in bench ? await bench.run() : [await measure(bench)];
  results.forEach(print);
}
for (const bench of all) if (!('run' in bench)) await bench.end?.();

/** Each bench/*.bench.ts exports the `room` that its names begin with and `benches()`; only what is asked for is loaded. */
async function benches(): Promise<(Bench | Comparison)[]> {
  const files = readdirSync(import.meta.dirname).filter((file) => file.endsWith('.bench.ts'));
  const modules = await Promise.all(
    files.map((file) => import(`./${file}`) as Promise<{ room: string; benches(): Promise<(Bench | Comparison)[]> }>),
  );
  const asked = modules.filter(({ room }) => `${room}/`.startsWith(name) || name.startsWith(`${room}/`));
  return (await Promise.all(asked.map((module) => module.benches()))).flat();
}

function print(result: Result): void {
  if (json) console.log(JSON.stringify(result));
  else console.log(line(result.name, result.ours, result.baseline, result.ratio, result.unit));
}

function line(first: string, ...rest: readonly (string | number)[]): string {
  return first.padEnd(36) + rest.map((cell) => String(cell).padStart(12)).join('');
}
