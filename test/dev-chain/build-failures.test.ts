import assert from 'node:assert/strict';
import { BuildFailures } from '../../src/dev-chain/build-failures.ts';
import { RelayError } from '../../src/errors/index.ts';

describe('dev-chain: blocks that can not be built', () => {
  it('are told of once for each reason, and when that is over', () => {
    const told: string[] = [];
    const failures = new BuildFailures({
      info: (_, message) => told.push(message),
      error: (details, message) => told.push(`${message}: ${(details as { error: Error }).error.message}`),
    });
    const [full, other] = ['full', 'other'].map((reason) => new RelayError('store-failed', { details: { reason } }));
    failures.built();
    for (const error of [full, full, other, other, new RelayError('dev-chain-stopped')]) failures.failed(error);
    failures.built();
    failures.built();
    failures.failed(other);
    const lineOf = (error: RelayError | undefined): string => `a block could not be built: ${error?.message}`;
    assert.deepEqual(told, [lineOf(full), lineOf(other), 'blocks are built again', lineOf(other)]);
  });
});
