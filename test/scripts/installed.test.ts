import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isInstalled } from '../../scripts/lib/installed.mjs';

type Packages = Record<string, { version: string; optional?: true }>;

describe('scripts: what is installed', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'khala-relay-installed-'));
    mkdirSync(join(folder, 'node_modules'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const lock = (file: string, packages: Packages) => writeFileSync(join(folder, file), JSON.stringify({ packages }));
  const wanted = (packages: Packages) => lock('package-lock.json', { '': { version: '1.0.0' }, ...packages });
  const present = (packages: Packages) => lock('node_modules/.package-lock.json', packages);

  it('is enough when every locked package is there in its version', () => {
    wanted({ 'node_modules/a': { version: '1.0.0' } });
    present({ 'node_modules/a': { version: '1.0.0' }, 'node_modules/mine': { version: '2.0.0' } });
    assert.equal(isInstalled(folder), true);
  });

  it('is not enough when one is missing or of another version', () => {
    wanted({ 'node_modules/a': { version: '1.0.0' } });
    present({});
    assert.equal(isInstalled(folder), false);
    present({ 'node_modules/a': { version: '1.0.1' } });
    assert.equal(isInstalled(folder), false);
  });

  it('may lack what is optional: binaries of other platforms', () => {
    wanted({ 'node_modules/binary-of-another-platform': { version: '1.0.0', optional: true } });
    present({});
    assert.equal(isInstalled(folder), true);
  });

  it('is nothing when an install was cut off: npm writes its own lock last', () => {
    wanted({});
    assert.equal(isInstalled(folder), false);
  });
});
