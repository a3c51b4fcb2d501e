// node load-entry.mjs URL: imports the entry and prints, as JSON, what that loaded and what it left running.
import { appendFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire, register } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const folder = mkdtempSync(join(tmpdir(), 'khala-relay-load-'));
const log = join(folder, 'loaded');
appendFileSync(log, '');
// The hook runs in a thread of its own; a file is the simplest way back.
const hook = `
import { appendFileSync } from 'node:fs';
export async function load(url, context, next) {
  appendFileSync(${JSON.stringify(log)}, url + '\\n');
  return next(url, context);
}`;
register(`data:text/javascript,${encodeURIComponent(hook)}`);

const module = await import(process.argv[2]);
const required = Object.keys(createRequire(import.meta.url).cache);
const imported = readFileSync(log, 'utf8').split('\n').filter(Boolean);
rmSync(folder, { recursive: true });

// One port leads to the hook above. A file that is still being read when the entry is there is no thing left running.
const settleTurns = 20;
const settleMs = 50;
let running = [];
for (let turn = 0; turn < settleTurns; turn++) {
  running = process.getActiveResourcesInfo().filter((kind) => !/^(TTY|Pipe)Wrap$/.test(kind));
  running.splice(running.indexOf('MessagePort'), running.includes('MessagePort') ? 1 : 0);
  if (running.length === 0) break;
  await new Promise((resolve) => setTimeout(resolve, settleMs));
}
process.stdout.write(JSON.stringify({ exports: Object.keys(module), loaded: [...imported, ...required], running }));
