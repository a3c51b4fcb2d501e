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
          if (error !== undefined && !('enum' in schema)) assert.equal(found, error.message);
        }),
        { numRuns: 300 },
      );
    });

  it('says the choices', () => {
    assert.equal(misfit(settingsSchema.properties.store, 'disk'), 'must be one of lmdb, jetstream');
  });
});
