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

/**
 * For browsers, in two texts by how they compress: hex shows what repeats in code, which base64 hides; of tables, where
 * nothing does, base64 is the shorter one.
 */
function portableTypescript(wasm) {
  const at = offsetOfSection(wasm, 11);
  return Buffer.from(
    `// Written by npm run sr25519:build: sr25519/ with its feature "portable", ${wasm.length} bytes of WASM: its code as hex, then its data as base64.\n` +
      `export const portableWasm = {\n  code: '0x${wasm.subarray(0, at).toString('hex')}',\n  data: '${wasm.subarray(at).toString('base64')}',\n};\n`,
  );
}

/** Where the section with this id begins, or the end where there is none (WebAssembly Core Specification, 5.5.2). */
function offsetOfSection(wasm, id) {
  let at = 8;
  while (at < wasm.length && wasm[at] !== id) {
    let length = 0;
    let next = at + 1;
    for (let shift = 0; ; shift += 7) {
      const byte = wasm[next++];
      length += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) break;
    }
    at = next + length;
  }
  return Math.min(at, wasm.length);
}

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
    '../../src/crypto/portable-wasm.ts': portableTypescript(portable),
    '../../src/chain/trie/proofs-wasm.ts': typescriptOf('proofs', proofs, 'base64', proofs.toString('base64')),
    'source-hash.json': Buffer.from(`${JSON.stringify(hashes, null, 2)}\n`),
  };
});
