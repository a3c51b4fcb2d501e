import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = new URL('../../', import.meta.url);

interface SourceHash {
  readonly sources: string;
  readonly wasm: string;
  readonly spec: string;
  readonly legacyWasm: string;
}

interface ChainSpec {
  readonly properties: { readonly ss58Format: number; readonly tokenSymbol: string; readonly tokenDecimals: number };
  readonly genesis: { readonly raw: { readonly top: Readonly<Record<string, string>> } };
}

function artifact(name: string): Buffer {
  return readFileSync(new URL(`runtime/artifacts/${name}`, root));
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

describe('runtime: the committed artifacts', () => {
  const recorded = JSON.parse(artifact('source-hash.json').toString()) as SourceHash;

  it('are built from the sources as they are: npm run runtime:build after a change', async () => {
    const { sourceHash } = (await import(new URL('scripts/lib/source-hash.mjs', root).href)) as {
      sourceHash(folder: string): Promise<string>;
    };
    assert.equal(await sourceHash(fileURLToPath(new URL('runtime', root))), recorded.sources);
  });

  it('are the ones that the build wrote', () => {
    assert.equal(sha256(artifact('khala-dev.wasm')), recorded.wasm);
    assert.equal(sha256(artifact('khala-dev-legacy.wasm')), recorded.legacyWasm);
    assert.equal(sha256(artifact('khala-dev.spec.json')), recorded.spec);
  });

  it('agree: the spec carries the WASM, and the properties of Khala', () => {
    const spec = JSON.parse(artifact('khala-dev.spec.json').toString()) as ChainSpec;
    const code = spec.genesis.raw.top['0x3a636f6465'];
    assert.equal(code, `0x${artifact('khala-dev.wasm').toString('hex')}`);
    const { ss58Format, tokenSymbol, tokenDecimals } = spec.properties;
    assert.deepEqual([ss58Format, tokenSymbol, tokenDecimals], [30, 'PHA', 12]);
  });
});
