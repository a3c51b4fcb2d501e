import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../support/import-graph.ts';

interface Manifest {
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
  readonly optionalDependencies: Readonly<Record<string, string>>;
}

interface Lock {
  readonly packages: Readonly<Record<string, { readonly resolved?: string; readonly hasInstallScript?: boolean }>>;
}

const read = (file: string) => readFileSync(join(root, file), 'utf8');

describe('package: dependencies', () => {
  const manifest = JSON.parse(read('package.json')) as Manifest & { readonly allowScripts: Record<string, boolean> };
  const { packages } = JSON.parse(read('package-lock.json')) as Lock;

  it('have a line each in docs/dependencies.md, which has no others', () => {
    const rows = read('docs/dependencies.md')
      .split('\n')
      .filter((line) => line.startsWith('| `'));
    const named = rows.flatMap((row) => [...row.split('|')[1]!.matchAll(/`([^`]+)`/g)].map(([, name]) => name!));
    const { dependencies, devDependencies, optionalDependencies } = manifest;
    const all = Object.keys({ ...dependencies, ...devDependencies, ...optionalDependencies });
    assert.deepEqual(named.sort(), all.sort());
  });

  it('are locked without the address of a registry', () => {
    const resolved = Object.values(packages).flatMap((entry) => entry.resolved ?? []);
    assert.deepEqual(
      resolved.filter((address) => address.startsWith('http')),
      [],
    );
  });

  it('run no install script: each that has one is denied it by name', () => {
    const scripted = Object.entries(packages)
      .filter(([, entry]) => entry.hasInstallScript)
      .map(([path]) => path.replace(/^.*node_modules\//, ''));
    assert.deepEqual([...new Set(scripted)].sort(), Object.keys(manifest.allowScripts).sort());
    assert.ok(Object.values(manifest.allowScripts).every((allowed) => !allowed));
  });
});
