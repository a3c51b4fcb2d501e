import assert from 'node:assert/strict';
import fc from 'fast-check';
import { Errors } from 'typebox/schema';
import { misfit } from '../../src/cli/check-setting.ts';
import { settingsSchema } from '../../src/cli/settings.ts';

const value = fc.oneof(
  fc.double(),
  fc.integer({ min: -2, max: 70 }),
  fc.constantFrom('best', 'lmdb', 'silent', 'auto', true, false, null, Number.MAX_SAFE_INTEGER, {}, []),
  fc.string(),
  fc.array(fc.oneof(fc.string(), fc.integer())),
);

describe('cli: what a setting may be', () => {
  for (const [name, schema] of Object.entries(settingsSchema.properties))
    it(`${name} is what JSON Schema says of it`, () => {
      fc.assert(
        fc.property(value, (given) => {
          const [fits, [error]] = Errors(schema, given);
          const found = misfit(schema, given);
          assert.equal(found === undefined, fits);
          const isNumber = 'type' in schema && (schema.type === 'number' || schema.type === 'integer');
          if (error !== undefined && !('enum' in schema) && !isNumber) assert.equal(found, error.message);
        }),
        { numRuns: 300 },
      );
    });

  it('says the whole range of a number, whatever is wrong with what was given', () => {
    const { timeout, mailboxSenderPart, rotateEvery, verifyThreads, quorum } = settingsSchema.properties;
    for (const [schema, range, ...wrong] of [
      [timeout, 'a number above 0, 2147483 at most', 'soon', 0, -1, 1e9, Infinity],
      [mailboxSenderPart, 'a number above 0, 1 at most', 0, 1.5, NaN],
      [rotateEvery, 'a number, 0 or more', -1, 'never'],
      [verifyThreads, 'a whole number, 0 or more, 64 at most', 0.5, 65, -1],
      [quorum, 'a whole number, 1 or more', 0, 1.5],
    ] as const)
      for (const value of wrong) assert.equal(misfit(schema, value), `must be ${range}`);
  });

  it('says the choices', () => {
    assert.equal(misfit(settingsSchema.properties.store, 'disk'), 'must be one of lmdb, jetstream');
  });
});
