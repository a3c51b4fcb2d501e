import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { ApiTypes, AugmentedErrors, AugmentedQueries, AugmentedSubmittables } from '@polkadot/api/types';
import { Runtime } from '../../src/chain/runtime/runtime.ts';
import type { Hex } from '../../src/codec/index.ts';

const script = fileURLToPath(new URL('../../scripts/generate-chain-types.ts', import.meta.url));
const metadataFile = new URL('../../chain-types/khala-dev/metadata.hex', import.meta.url);

/** What src/chain calls and reads: the generated types must have it, or this file does not compile. */
const calls = {
  phalaMq: ['pushMessage', 'syncOffchainMessage'],
  phalaRegistry: ['registerWorkerV2', 'forceRegisterWorker', 'updateWorkerEndpoint', 'registerGatekeeper'],
  utility: ['batchAll', 'forceBatch'],
  sudo: ['sudo'],
} as const satisfies { [P in keyof AugmentedSubmittables<ApiTypes>]?: (keyof AugmentedSubmittables<ApiTypes>[P])[] };
const queries = {
  phalaMq: ['outboundMessages', 'offchainIngress'],
  phalaRegistry: ['workers', 'endpoints', 'gatekeeper'],
} as const satisfies { [P in keyof AugmentedQueries<ApiTypes>]?: (keyof AugmentedQueries<ApiTypes>[P])[] };
const badSequence: keyof AugmentedErrors<ApiTypes>['phalaMq'] = 'BadSequence';

describe('chain-types', () => {
  it('are those of the dev chain', async () => {
    await promisify(execFile)(process.execPath, ['--import', 'tsx', script, '--check']);
  });

  it('have what the chain room uses', async () => {
    const metadata = (await readFile(metadataFile, 'utf8')).trim() as Hex;
    const { decorated } = new Runtime({ specName: 'khala-dev', specVersion: 100, transactionVersion: 1 }, metadata);
    for (const [pallet, names] of Object.entries(calls))
      for (const name of names) assert.ok(decorated.tx[pallet]?.[name] !== undefined, `${pallet}.${name}`);
    for (const [pallet, names] of Object.entries(queries))
      for (const name of names) assert.ok(decorated.query[pallet]?.[name] !== undefined, `${pallet}.${name}`);
    assert.ok(decorated.errors['phalaMq']?.[badSequence] !== undefined);
  });
});
