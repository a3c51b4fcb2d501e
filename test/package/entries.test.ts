import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { root } from '../support/import-graph.ts';

interface Loaded {
  readonly exports: readonly string[];
  readonly loaded: readonly string[];
  readonly running: readonly string[];
}

const dist = join(root, 'dist');

describe('package: entries', () => {
  before(() => {
    assert.ok(existsSync(join(dist, 'index.js')), 'npm run build first (npm test does)');
  });

  describe('the library root', () => {
    let loaded: Loaded;
    before(async () => {
      loaded = await load(join(dist, 'index.js'));
    });

    it('starts nothing: a process that only imports it ends by itself', () => {
      assert.deepEqual(loaded.running, []);
    });

    it('loads neither the embedded node nor the CLI', () => {
      const heavy = loaded.loaded.filter((url) => /@acala-network|dist\/cli\/|\/commander\//.test(url));
      assert.deepEqual(heavy, []);
    });

    it('exports what the documentation promises', () => {
      const promised = [
        ...['agree', 'deriveCommKey', 'keyPairFromSeed', 'sealEnvelope', 'openEnvelope', 'sealPhala', 'openPhala'],
        ...['encodeEnvelope', 'decodeEnvelope', 'encodeBody', 'decodeBody', 'messageId'],
        ...['encodeSignedEnvelope', 'decodeSignedEnvelope', 'encodeEcdhRecord', 'decodeEcdhRecord'],
        ...['connectChain', 'watchWorkerState', 'openVault', 'createVault', 'createOutbox', 'createInbox'],
        ...['createRelay', 'createRelayClient', 'startDevChain', 'RelayError', 'isRelayError'],
      ];
      assert.deepEqual(
        promised.filter((name) => !loaded.exports.includes(name)),
        [],
      );
    });
  });

  it('the browser entry needs nothing of Node, down to its last dependency', async () => {
    const { errors, metafile } = await build({
      entryPoints: [join(dist, 'web', 'browser.js')],
      bundle: true,
      write: false,
      metafile: true,
      platform: 'browser',
      format: 'esm',
      logLevel: 'silent',
    });
    assert.deepEqual(errors, []);
    const inputs = Object.keys(metafile.inputs);
    assert.ok(inputs.some((input) => input.endsWith('dist/web/browser.js')));
    // A package may map Node's modules to empty ones for browsers; our own code may not rely on that.
    const ours = inputs.filter((input) => input.startsWith('dist/'));
    const nodeImports = ours.flatMap((input) =>
      [...readFileSync(join(root, input), 'utf8').matchAll(/["'](node:[a-z/]+)["']/g)].map(([, name]) => name),
    );
    assert.deepEqual(nodeImports, []);
  });

  it('the package names only files that are there', () => {
    const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Record<'exports' | 'bin', object>;
    const named = filesIn([manifest.exports, manifest.bin]);
    assert.ok(named.length >= 5);
    const missing = named.filter((file) => !existsSync(join(root, file)));
    assert.deepEqual(missing, []);
  });
});

/** Every string in a value that may be nested. */
function filesIn(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  return Object.values(value as object).flatMap(filesIn);
}

async function load(entry: string): Promise<Loaded> {
  const child = join(root, 'test', 'support', 'load-entry.mjs');
  const { stdout } = await promisify(execFile)(process.execPath, [child, pathToFileURL(entry).href], {
    timeout: 50_000,
  });
  return JSON.parse(stdout) as Loaded;
}
