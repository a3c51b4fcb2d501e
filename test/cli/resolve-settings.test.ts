import assert from 'node:assert/strict';
import { resolveSettings } from '../../src/cli/resolve-settings.ts';
import { timeoutMs } from '../../src/cli/session.ts';
import { isRelayError } from '../../src/errors/index.ts';

describe('cli: how long to wait', () => {
  const patienceMs = (timeout: string): number => timeoutMs(resolveSettings({ flags: { timeout }, env: {} }));

  it('is as long as a timer can be', () => {
    assert.ok(patienceMs('2147483') < 2 ** 31);
  });

  for (const timeout of ['2147484', '3e6', '0', '-1'])
    it(`is refused where a timer would fire at once: ${timeout}`, () => {
      assert.throws(
        () => patienceMs(timeout),
        (error) => isRelayError(error, 'bad-setting') && error.details?.['name'] === 'timeout',
      );
    });
});
