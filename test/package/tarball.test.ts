import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { root } from '../support/import-graph.ts';

interface Packed {
  readonly size: number;
  readonly files: readonly { readonly path: string; readonly size: number }[];
}

const wanted = [
  'package.json',
  'README.md',
  'LICENSE',
  'SECURITY.md',
  'sr25519/artifacts/sr25519.wasm',
  'docs/errors.md',
  'dist/index.js',
  'dist/index.d.ts',
  'dist/cli/main.js',
  'dist/web/browser.js',
  'dist/web/browser.d.ts',
  'runtime/artifacts/khala-dev.spec.json',
];
/** Everything else in the tarball is compiled code. */
const compiled = /^dist\/[a-z0-9/-]+\.(js|d\.ts)$/;

describe('package: the tarball', () => {
  let packed: Packed;
  before(() => {
    const args = ['pack', '--dry-run', '--json', '--ignore-scripts', '--loglevel=silent'];
    const output = execFileSync('npm', args, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
    const parsed = JSON.parse(output) as Packed[] | Record<string, Packed>;
    packed = Object.values(parsed)[0]!;
  });

  it('holds what a user needs', () => {
    const paths = packed.files.map(({ path }) => path);
    assert.deepEqual(
      wanted.filter((path) => !paths.includes(path)),
      [],
    );
  });

  it('holds nothing else', () => {
    const others = packed.files
      .map(({ path }) => path)
      .filter((path) => !wanted.includes(path) && !compiled.test(path));
    assert.deepEqual(others, []);
  });

  it('stays small', () => {
    assert.ok(packed.size < 4 << 20, `${packed.size} bytes`);
  });
});
