// Builds sr25519/ and writes its artifacts/: the WASM and its hashes.
//   node scripts/build-sr25519.mjs           builds and writes
//   node scripts/build-sr25519.mjs --check   builds a copy of the sources in a temporary folder and compares with what is there
import { inRoot } from './lib/root.mjs';
import { buildCrate, compile, sha256 } from './lib/rust.mjs';
import { sourceHash } from './lib/source-hash.mjs';

await buildCrate('sr25519', async (folder, toolchain) => {
  const wasm = await compile(folder, 'khala_relay_sr25519');
  const hashes = { algorithm: 'sha256', sources: await sourceHash(inRoot('sr25519')), wasm: sha256(wasm), toolchain };
  return {
    'sr25519.wasm': wasm,
    'source-hash.json': Buffer.from(`${JSON.stringify(hashes, null, 2)}\n`),
  };
});
