import assert from 'node:assert/strict';
import { corpusOf, fuzz } from './run-target.ts';
import { targets } from './targets.ts';

/** More of them: npm run fuzz -- --cases 1000000 */
const cases = 300;

describe('fuzz: what reads bytes of strangers throws nothing but a RelayError and accepts one encoding only', () => {
  for (const target of targets)
    it(target.name, () => {
      assert.ok(corpusOf(target).length > 0, 'it has a corpus');
      fuzz(target, cases);
    });
});
