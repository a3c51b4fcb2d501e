// Writes chain-types/khala-dev: the dev chain's metadata and the @polkadot/api types generated from it. `--check` only
// says whether they are up to date.
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import {
  generateDefaultConsts,
  generateDefaultErrors,
  generateDefaultEvents,
  generateDefaultLookup,
  generateDefaultQuery,
  generateDefaultTx,
} from '@polkadot/typegen/generate';
import WebSocket from 'ws';
import { startDevChain } from '../src/dev-chain/index.ts';

const folder = fileURLToPath(new URL('../chain-types/khala-dev/', import.meta.url));
const metadataFile = 'metadata.hex';
/** The generator ends by itself; a chain that does not start must not hold CI. */
const timeoutMs = 120_000;

async function metadata(): Promise<`0x${string}`> {
  await using chain = await startDevChain();
  const socket = new WebSocket(chain.ws);
  try {
    return await new Promise((resolve, reject) => {
      socket.once('error', reject);
      socket.once('open', () => socket.send('{"jsonrpc":"2.0","id":1,"method":"state_getMetadata","params":[]}'));
      socket.once('message', (data: Buffer) => {
        resolve((JSON.parse(data.toString()) as { result: `0x${string}` }).result);
      });
    });
  } finally {
    socket.close();
  }
}

/** Files by name, `.d.ts`: nothing of them is ever run. */
async function generate(hex: `0x${string}`): Promise<Map<string, string>> {
  const work = await mkdtemp(join(tmpdir(), 'chain-types-'));
  try {
    // The generator reports each file on stdout and resolves its imports by what it finds there.
    generateDefaultLookup(work, hex);
    const { default: types } = (await import(pathToFileURL(join(work, 'lookup.ts')).href)) as { default: never };
    const lookup = { rpc: {}, types };
    generateDefaultConsts(join(work, 'augment-api-consts.ts'), hex, {}, true, lookup);
    generateDefaultErrors(join(work, 'augment-api-errors.ts'), hex, {}, true);
    generateDefaultEvents(join(work, 'augment-api-events.ts'), hex, {}, true, lookup);
    generateDefaultQuery(join(work, 'augment-api-query.ts'), hex, {}, true, lookup);
    generateDefaultTx(join(work, 'augment-api-tx.ts'), hex, {}, true, lookup);
    const files = new Map([[metadataFile, `${hex}\n`]]);
    for (const name of (await readdir(work)).sort()) {
      // Definitions are values for a registry; types are all that is wanted.
      if (name === 'lookup.ts' || name === 'index.ts') continue;
      files.set(name.replace(/\.ts$/, '.d.ts'), await readFile(join(work, name), 'utf8'));
    }
    return files;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function check(files: ReadonlyMap<string, string>): Promise<void> {
  const present = await readdir(folder).catch(() => [] as string[]);
  const differing = present.filter((name) => !files.has(name));
  for (const [name, text] of files)
    if ((await readFile(join(folder, name), 'utf8').catch(() => undefined)) !== text) differing.push(name);
  if (differing.length === 0) return;
  console.error(`chain-types/khala-dev differs from the dev chain in ${differing.join(', ')}.`);
  console.error('Run: node --import tsx scripts/generate-chain-types.ts');
  process.exitCode = 1;
}

async function write(files: ReadonlyMap<string, string>): Promise<void> {
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  for (const [name, text] of files) await writeFile(join(folder, name), text);
}

const timer = setTimeout(() => {
  console.error(`No result within ${timeoutMs} ms.`);
  process.exit(1);
}, timeoutMs);
const files = await generate(await metadata());
await (process.argv.includes('--check') ? check(files) : write(files));
clearTimeout(timer);
