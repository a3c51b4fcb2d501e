import { readFile } from 'node:fs/promises';

const file = new URL('../../sr25519/artifacts/sr25519.wasm', import.meta.url);

/** The module of {@link BatchSr25519}, for Node. Compiled once a process; threads instantiate it again. */
export async function compileBatchModule(): Promise<WebAssembly.Module> {
  return WebAssembly.compile(await readFile(file));
}
