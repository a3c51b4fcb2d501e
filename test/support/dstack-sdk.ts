import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { DstackClient } from '@phala/dstack-sdk';
import { build } from 'esbuild';

/**
 * The real @phala/dstack-sdk. It wants @noble/hashes 1 and can't have it beside ours: the same functions stand under
 * other names in version 2. Who installs khala-relay and the SDK gets both versions.
 */
export async function loadDstackSdk(): Promise<{ readonly DstackClient: typeof DstackClient }> {
  const folder = await mkdtemp(join(tmpdir(), 'khala-dstack-'));
  try {
    const outfile = join(folder, 'sdk.mjs');
    await build({
      stdin: { contents: "export { DstackClient } from '@phala/dstack-sdk'", resolveDir: import.meta.dirname },
      outfile,
      bundle: true,
      format: 'esm',
      platform: 'node',
      logLevel: 'error',
      alias: {
        '@noble/hashes/sha512': '@noble/hashes/sha2.js',
        '@noble/hashes/sha256': '@noble/hashes/sha2.js',
        '@noble/hashes/sha3': '@noble/hashes/sha3.js',
        '@noble/hashes/utils': '@noble/hashes/utils.js',
        '@noble/curves/secp256k1': '@noble/curves/secp256k1.js',
      },
    });
    return (await import(pathToFileURL(outfile).href)) as { readonly DstackClient: typeof DstackClient };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
