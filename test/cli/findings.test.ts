import assert from 'node:assert/strict';
import type { NodeCapabilities } from '../../src/chain/index.ts';
import { findingsOf } from '../../src/cli/doctor/findings.ts';

const fine: NodeCapabilities = {
  url: 'ws://node',
  client: 'Some Node 1.2.3',
  specName: 'khala',
  specVersion: 1_250,
  isSyncing: false,
  peers: 8,
  best: 5_000_000,
  finalized: 4_999_998,
  oldestState: 1,
  oldestBody: 1,
  proofs: true,
  unsafeRpcs: false,
  ranges: false,
  missingMethods: [],
  pool: { submit: true, watch: true, pending: 1 },
  blockLength: 3_932_160,
  blockWeight: { refTime: 1_500_000_000_000n, proofSize: 3_932_160n },
  pallets: [
    { name: 'PhalaMq', index: 85, missing: [], layout: 'current' },
    { name: 'PhalaRegistry', index: 86, missing: [], layout: 'older' },
  ],
  unknownExtensions: [],
};

const [mq, registry] = fine.pallets;

describe('what doctor says of a node', () => {
  it('is fine where nothing is amiss, in sentences', () => {
    const findings = findingsOf(fine);
    for (const { ok, finding } of findings) {
      assert.ok(ok, finding);
      assert.match(finding, /^[A-Z].*\.$/);
    }
    const text = findings.map(({ finding }) => finding).join('\n');
    for (const fact of [
      'Some Node 1.2.3',
      'khala 1250',
      '8 peers',
      '5000000',
      '3840 KiB',
      '1500 ms',
      '1 extrinsic waits',
    ])
      assert.ok(text.includes(fact), fact);
  });

  const cases: readonly (readonly [string, Partial<NodeCapabilities>, RegExp])[] = [
    ['still syncs', { isSyncing: true }, /still syncing.*--ws/],
    ['finalizes nothing', { finalized: 4_000_000 }, /1000000 blocks behind.*--finality/],
    ['prunes states', { oldestState: 4_999_745 }, /last 256 blocks, from 4999745 on.*--state-pruning archive/],
    ['prunes nearly all', { oldestState: 4_999_991 }, /last 10 blocks, which is little/],
    ['prunes bodies', { oldestBody: 4_000_000 }, /extrinsics of blocks from 4000000 on only/],
    ['gives no proofs', { proofs: false }, /no proofs.*verify: true fails/],
    ['gives wrong proofs', { proofs: 'wrong' }, /do not hold against the state root.*Use another node/],
    ['may give proofs or not', { proofs: undefined }, /no proofs/],
    ['lacks a method', { missingMethods: ['state_getKeysPaged'] }, /lacks state_getKeysPaged.*full node/],
    ['lists no methods', { missingMethods: undefined }, /does not list/],
    ['offers unsafe RPCs', { unsafeRpcs: true }, /--rpc-methods safe.*block by block/],
    ['gives many blocks at once', { unsafeRpcs: true, ranges: true }, /state_queryStorage/],
    ['takes no extrinsics', { pool: { submit: false, watch: false, pending: undefined } }, /nothing can be sent/],
    [
      'tells nothing of them',
      { pool: { submit: true, watch: false, pending: 0 } },
      /0 extrinsics wait.*looked for in its blocks/,
    ],
    [
      'has no registry',
      { pallets: [mq!, { ...registry!, index: undefined }] },
      /no pallet PhalaRegistry.*can not work/,
    ],
    [
      'has another layout',
      { pallets: [mq!, { ...registry!, missing: ['updateWorkerEndpoint'], layout: 'other' }] },
      /without updateWorkerEndpoint \(no endpoint can be published and no key rotated\)/,
    ],
    ['wants more signed', { unknownExtensions: ['CheckNft'] }, /CheckNft.*not send/],
  ];
  for (const [what, facts, expected] of cases)
    it(`names what to do where it ${what}`, () => {
      const bad = findingsOf({ ...fine, ...facts }).filter(({ ok }) => !ok);
      assert.equal(bad.length, 1, bad.map(({ finding }) => finding).join(' '));
      assert.match(bad[0]!.finding, expected);
      assert.match(bad[0]!.finding, /^[A-Z].*\.$/);
    });

  it('leaves limits out that the chain does not set', () => {
    const blockWeight = { refTime: undefined, proofSize: undefined };
    const text = findingsOf({ ...fine, blockWeight })
      .map(({ finding }) => finding)
      .join('\n');
    assert.ok(!text.includes('of execution') && !text.includes('of proof'));
  });
});
