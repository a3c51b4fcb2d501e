// Processes of lmdb-file.test.ts. `open PATH…` and `open-mail PATH…` tell of each folder what came of opening it, and read all
// that a store has. `make PATH` makes one store after the other in the folder, until killed. `grow PATH` writes to one.
import { join } from 'node:path';
import { RelayError } from '../../src/errors/index.ts';
import { openLmdbMailStore, openLmdbStore, storeKey } from '../../src/store/index.ts';

const [mode = '', ...paths] = process.argv.slice(2);
const [path = ''] = paths;
if (mode === 'make') await make();
else if (mode === 'grow') await grow();
else for (const each of paths) console.log(await (mode === 'open' ? valuesOf(each) : openMail(each)).catch(told));

async function valuesOf(path: string): Promise<string> {
  await using store = await openLmdbStore({ path });
  const entries = await store.entries({ from: new Uint8Array(), to: Uint8Array.of(0xff) });
  const isWhole = entries.every(([, value]) => value.every((byte) => byte === value[0] && byte > 0));
  return isWhole ? `${entries.length} values` : 'other values';
}

async function openMail(path: string): Promise<string> {
  await using _store = await openLmdbMailStore({ path });
  return 'opened';
}

function told(error: unknown): string {
  return error instanceof RelayError ? `${error.code}: ${String(error.details?.['reason'])}` : String(error);
}

async function make(): Promise<never> {
  for (let n = 0; ; n += 1) {
    process.stdout.write(`${n}\n`);
    await (await openLmdbStore({ path: join(path, String(n)) })).close();
  }
}

async function grow(): Promise<never> {
  await using store = await openLmdbStore({ path });
  for (let n = 0; ; n += 1) {
    const big = { key: storeKey('big'), value: new Uint8Array(300_000).fill(1) };
    // What is taken and given back in one transaction, and what stays.
    const away = [big, { key: big.key, value: undefined }];
    await store.commit([...away, { key: storeKey('n/', BigInt(n)), value: new Uint8Array(3_000).fill(1) }]);
    process.stdout.write(`${n}\n`);
  }
}
