import assert from 'node:assert/strict';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { keepShape } from '../../src/chain/keep-shape.ts';
import { RawText } from '../../src/chain/rpc/raw-text.ts';
import { loadHash256, ProofNodes } from '../../src/chain/trie/proof-nodes.ts';
import { HashedNodes } from '../../src/chain/trie/proofs-module.ts';
import { decodeTrieNode } from '../../src/chain/trie/trie-node.ts';

/** A class of its own, and a function that makes an object of it, uses it and drops it. */
interface Compiled {
  readonly example: () => object;
  readonly isCompiled: () => boolean;
}

/** V8: `OptimizationStatus` in runtime.h. */
const optimized = 1 << 4;

describe('keepShape', () => {
  let collect: () => void;

  before(() => {
    // Functions are compiled when they are called first: it has to be there until then.
    setFlagsFromString('--allow-natives-syntax');
    setFlagsFromString('--expose-gc');
    collect = runInNewContext('gc') as () => void;
  });

  after(() => {
    setFlagsFromString('--no-allow-natives-syntax');
  });

  it('lets what is compiled for short-lived objects outlast the collection of garbage', () => {
    const kept = compiled();
    const lost = compiled();
    keepShape(kept.example());
    assert.deepEqual([kept.isCompiled(), lost.isCompiled()], [true, true]);
    for (let round = 0; round < 4; round++) collect();
    assert.ok(kept.isCompiled());
    assert.ok(!lost.isCompiled(), 'V8 keeps shapes by itself: nothing needs to keep them');
  });

  const bytes = (): Uint8Array => new Uint8Array(1);
  const emptyLeaf = Uint8Array.of(0x40, 0);
  for (const [what, prepare] of [
    ['RawText', () => Promise.resolve((): object => RawText.of('text'))],
    ['HashedNodes', () => Promise.resolve((): object => new HashedNodes(bytes(), bytes(), new Uint32Array(1)))],
    ['TrieNode', () => Promise.resolve((): object => decodeTrieNode(emptyLeaf)!)],
    ['ProofNodes', () => loadHash256().then((hash) => (): object => new ProofNodes(hash))],
  ] as const)
    it(`is done with ${what}, of which there are none left between blocks`, async () => {
      const make = await prepare();
      const isCompiled = compiledFor(make);
      assert.ok(isCompiled());
      for (let round = 0; round < 4; round++) collect();
      assert.ok(isCompiled());
    });
});

/** Whether a function is still compiled that reads a property of what `make` gives. */
function compiledFor(make: () => object): () => boolean {
  const [field] = Object.keys(make());
  const compile = runInNewContext(`(make) => {
    const read = (object) => object.${field};
    %PrepareFunctionForOptimization(read);
    read(make());
    read(make());
    %OptimizeFunctionOnNextCall(read);
    read(make());
    return () => (%GetOptimizationStatus(read) & ${optimized}) !== 0;
  }`) as (make: () => object) => () => boolean;
  return compile(make);
}

function compiled(): Compiled {
  return runInNewContext(`
    class Point { constructor(x, y) { this.x = x; this.y = y; } }
    const sum = (i) => { const { x, y } = new Point(i, i); return x + y; };
    %PrepareFunctionForOptimization(sum);
    sum(1);
    sum(2);
    %OptimizeFunctionOnNextCall(sum);
    sum(3);
    ({ example: () => new Point(0, 0), isCompiled: () => (%GetOptimizationStatus(sum) & ${optimized}) !== 0 })
  `) as Compiled;
}
