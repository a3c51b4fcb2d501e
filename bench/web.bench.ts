import { join } from 'node:path';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { root } from '../test/support/import-graph.ts';
import { bundle, openPage } from '../test/support/chromium.ts';
import { rounded, type Comparison, type Result } from './harness.ts';

export const room = 'web';

/** Bytes that a page may load for its client, compressed, without @polkadot/api. */
const budgetBytes = 120_000;

/** What a page pays for its client, in a real Chromium: time of its cryptography, and bytes. */
export function benches(): Promise<Comparison[]> {
  return Promise.resolve([
    { name: 'web/crypto', run: inChromium },
    { name: 'web/bytes', run: bytes },
  ]);
}

async function inChromium(): Promise<readonly Result[]> {
  await using open = await openPage(join(import.meta.dirname, 'web', 'page.ts'));
  return await open.page.evaluate(() => globalThis.benchPage());
}

async function bytes(): Promise<readonly Result[]> {
  const entry = await bundle(join(root, 'dist', 'web', 'browser.js'));
  return [
    { name: 'web/bytes-gzip', length: gzipSync(entry).length },
    { name: 'web/bytes-brotli', length: brotliCompressSync(entry).length },
  ].map(({ name, length }) => ({
    name,
    ours: length,
    baseline: budgetBytes,
    ratio: rounded(length / budgetBytes),
    unit: 'bytes',
  }));
}
