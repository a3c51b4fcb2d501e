import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { rooms } from '../../scripts/lib/rooms.mjs';
import { cyclesOf, root, sourceGraph } from '../support/import-graph.ts';

describe('package: imports inside src/', () => {
  it('have no cycle, not even one of types', () => {
    const graph = sourceGraph();
    assert.ok(graph.size > 100, `only ${graph.size} files found`);
    assert.deepEqual(cyclesOf(graph), []);
  });

  it('are ruled for every room, and the rules have no cycle', () => {
    const folders = readdirSync(join(root, 'src'), { withFileTypes: true }).filter((entry) => entry.isDirectory());
    assert.deepEqual(folders.map(({ name }) => name).sort(), Object.keys(rooms).sort());
    assert.deepEqual(cyclesOf(new Map(Object.entries(rooms))), []);
  });

  it('would be found going round in circles', () => {
    const graph = new Map([
      ['a', ['b']],
      ['b', ['c', 'd']],
      ['c', []],
      ['d', ['a']],
    ]);
    assert.deepEqual(cyclesOf(graph), ['a → b → d → a']);
  });
});
