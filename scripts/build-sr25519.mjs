// Builds sr25519/ three times: signatures for Node, fast, into its artifacts/; all of it for everywhere, small, and what reads
// proofs, into TypeScript files, since bundlers and pages differ in how they load other files.
//   node scripts/build-sr25519.mjs           builds and writes
//   node scripts/build-sr25519.mjs --check   builds a copy of the sources in a temporary folder and compares with what is there
import { inRoot } from './lib/root.mjs';
import { buildCrate, compile, sha256 } from './lib/rust.mjs';
import { sourceHash } from './lib/source-hash.mjs';

const LIBRARY = 'khala_relay_sr25519';

const typescriptOf = (feature, wasm, encoding, text) =>
  Buffer.from(
    `// Written by npm run sr25519:build: sr25519/ with its feature "${feature}", ${wasm.length} bytes of WASM as ${encoding}.\n` +
      `export const ${feature}Wasm =\n  '${text}';\n`,
  );

await buildCrate('sr25519', async (folder, toolchain) => {
  const wasm = await compile(folder, LIBRARY, ['batch']);
  const portable = await compile(folder, LIBRARY, ['portable'], 'small');
  const proofs = await compile(folder, LIBRARY, ['proofs']);
  const hashes = {
    algorithm: 'sha256',
    sources: await sourceHash(inRoot('sr25519')),
    wasm: sha256(wasm),
    portable: sha256(portable),
    proofs: sha256(proofs),
    toolchain,
  };
  return {
    'sr25519.wasm': wasm,
    // For browsers: compressed, hex is a tenth shorter than base64, which hides what repeats.
    '../../src/crypto/portable-wasm.ts': typescriptOf('portable', portable, 'hex', `0x${portable.toString('hex')}`),
    '../../src/chain/trie/proofs-wasm.ts': typescriptOf('proofs', proofs, 'base64', proofs.toString('base64')),
    'source-hash.json': Buffer.from(`${JSON.stringify(hashes, null, 2)}\n`),
  };
});
