import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { convertSetting } from '../../src/cli/convert-setting.ts';

describe('a setting, as its schema wants it', () => {
  const cases: readonly (readonly [what: string, type: string | undefined, given: unknown, value: unknown])[] = [
    ['text as the number that it is', 'number', '0.5', 0.5],
    ['text as the whole number that it is', 'integer', '7', 7],
    ['text that is no number as it is, to be refused', 'number', 'many', 'many'],
    ['nothing as it is, to be refused', 'number', ' ', ' '],
    ['what no number can be as it is, to be refused', 'number', 'Infinity', 'Infinity'],
    ['half of a whole number as it is, to be refused', 'integer', '0.5', 0.5],
    ['true', 'boolean', 'true', true],
    ['FALSE', 'boolean', 'FALSE', false],
    ['1', 'boolean', '1', true],
    ['0', 'boolean', 0, false],
    ['no yes or no as it is, to be refused', 'boolean', 'maybe', 'maybe'],
    ['a number as text where text is wanted', 'string', 5, '5'],
    ['one value as a list of one', 'array', 'ws://127.0.0.1:9944', ['ws://127.0.0.1:9944']],
    ['a list as it is', 'array', ['a', 'b'], ['a', 'b']],
    ['an object as it is, to be refused', 'string', { a: 1 }, { a: 1 }],
    ['a choice as it is', undefined, 'best', 'best'],
  ];
  for (const [what, type, given, value] of cases)
    it(`takes ${what}`, () => {
      assert.deepEqual(convertSetting(type, given), value);
    });
});
