import assert from 'node:assert/strict';
import { unknownVariables } from '../../src/cli/unknown-variables.ts';

describe('cli: variables of the environment', () => {
  for (const [name, nearest] of [
    ['KHALA_RELAY_ENDPOINT', undefined],
    ['KHALA_RELAY_TIME_OUT', 'KHALA_RELAY_TIMEOUT'],
    ['KHALA_RELAY_PASPHRASE', 'KHALA_RELAY_PASSPHRASE'],
    ['KHALA_RELAY_VALUT', 'KHALA_RELAY_VAULT'],
    ['KHALA_RELAY_ws', 'KHALA_RELAY_WS'],
  ] as const)
    it(`of which there is none, as ${name}, are told with the nearest that there is`, () => {
      const [note, ...others] = unknownVariables({ [name]: 'x' });
      assert.match(note ?? '', new RegExp(`^there is no variable ${name}, .*; the nearest is KHALA_RELAY_[A-Z_]+$`));
      if (nearest !== undefined) assert.ok(note?.endsWith(` ${nearest}`), note);
      assert.deepEqual(others, []);
    });

  it('that are known, or not ours, are passed over', () => {
    const names = [
      'KHALA_RELAY_WS',
      'KHALA_RELAY_PASSPHRASE',
      'KHALA_RELAY_DEBUG',
      'KHALA_RELAY_NODE',
      'KHALA_RELAY_SERVICE_HOST',
      'KHALA_RELAY_SERVICE_PORT_HTTP',
      'KHALA_RELAY_PORT',
      'KHALA_RELAY_PORT_8710_TCP',
      'KHALA_RELAY_PORT_8710_TCP_ADDR',
      'KHALA',
      'PATH',
    ];
    assert.deepEqual(unknownVariables(Object.fromEntries(names.map((name) => [name, 'x']))), []);
  });
});
