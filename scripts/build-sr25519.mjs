// Builds sr25519/ twice: for Node, fast, into its artifacts/, and for everywhere, small, into a TypeScript file, since bundlers
// and pages differ in how they load other files.
//   node scripts/build-sr25519.mjs           builds and writes
//   node scripts/build-sr25519.mjs --check   builds a copy of the sources in a temporary folder and compares with what is there
import { inRoot } from './lib/root.mjs';
import { buildCrate, compile, sha256 } from './lib/rust.mjs';
import { sourceHash } from './lib/source-hash.mjs';

const LIBRARY = 'khala_relay_sr25519';

const typescriptOf = (wasm) =>
  Buffer.from(
    `// Written by npm run sr25519:build: sr25519/ with its feature "portable", ${wasm.length} bytes of WASM as base64.\n` +
      `export const portableWasm =\n  '${wasm.toString('base64')}';\n`,
  );

await buildCrate('sr25519', async (folder, toolchain) => {
  const wasm = await compile(folder, LIBRARY, ['batch']);
  const portable = await compile(folder, LIBRARY, ['portable'], 'small');
  const hashes = {
    algorithm: 'sha256',
    sources: await sourceHash(inRoot('sr25519')),
    wasm: sha256(wasm),
    portable: sha256(portable),
    toolchain,
  };
  return {
    'sr25519.wasm': wasm,
    '../../src/crypto/portable-wasm.ts': typescriptOf(portable),
    'source-hash.json': Buffer.from(`${JSON.stringify(hashes, null, 2)}\n`),
  };
});
