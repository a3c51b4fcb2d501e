import assert from 'node:assert/strict';
import { systemClock } from '../../src/chain/index.ts';
import { NodeFaults } from '../../src/chain/rpc/node-faults.ts';
import { RelayError } from '../../src/errors/index.ts';
import { watchWorkerState } from '../../src/worker-state/index.ts';
import { useEndpoints } from '../support/endpoints.ts';
import type { Alter } from '../support/rpc-proxy.ts';
import { assertNewest, describeOnChains } from '../support/shared-chain.ts';
import { until } from '../support/until.ts';
import { record } from './support.ts';

const foreignHash = `0x${'13'.repeat(32)}`;
const isForeign: Alter = (method, [number], result) =>
  method === 'chain_getBlockHash' && number === 0 ? foreignHash : result;

describeOnChains('what is found wrong with endpoints', { workers: 3 }, (node) => {
  const { proxy, connect } = useEndpoints(() => node.ws);
  before(() => node.grow(5));

  it('is told of one that lies: which, why, when, and that it is left', async () => {
    const liar = await proxy((method, _, result) => (method === 'state_getReadProof' ? { proof: ['0x00'] } : result));
    const now = 1_700_000_000_000;
    const chain = await connect([liar.ws, (await proxy()).ws], { clock: { ...systemClock, now: () => now } });
    using told = record(chain.nodeFaults$);
    assert.equal(chain.nodeFaults.length, 0);
    await using watch = watchWorkerState(chain);
    await watch.ready;
    assert.equal(watch.state.size, 3);
    await told.until(({ length }) => length > 0);
    const [fault] = chain.nodeFaults;
    assert.deepEqual(told.values, [fault]);
    assert.deepEqual(
      { url: fault?.url, code: fault?.error.code, isLeft: fault?.isLeft, at: fault?.at },
      { url: liar.ws, code: 'node-lies', isLeft: true, at: now },
    );
    assert.match(String(fault?.error.message), /leaves out|does not hold|no list/);
    using late = record(chain.nodeFaults$);
    assert.deepEqual(late.values, told.values);
    await chain.stop();
    assert.ok(told.isComplete && late.isComplete);
    assert.equal(told.values.length, 1);
  });

  it('is told once of one that is of another chain, for as long as it is', async () => {
    const foreign = await proxy(isForeign);
    const chain = await connect([node.ws, foreign.ws], { genesisHash: node.genesisHash });
    using told = record(chain.nodeFaults$);
    const asked = (): number => foreign.asked.get('chain_getBlockHash') ?? 0;
    const before = await node.newest();
    const agreed = chain.agreedHead();
    await until(() => asked() > 3);
    assert.deepEqual(
      told.values.map(({ url, error, isLeft }) => [url, error.code, isLeft]),
      [[foreign.ws, 'wrong-chain', false]],
    );
    assert.ok(told.values[0]?.error.message.includes(foreignHash));
    foreign.alter = (_method, _params, result) => result;
    await assertNewest(node, await agreed, before);
    assert.deepEqual(chain.nodeFaults, []);
    foreign.alter = isForeign;
    foreign.cut();
    const again = chain.agreedHead();
    await told.until(({ length }) => length === 2);
    foreign.alter = (_method, _params, result) => result;
    await again;
  });

  it('is told of one that was tried first, before there was a connection', async () => {
    const foreign = await proxy(isForeign);
    const chain = await connect([foreign.ws, node.ws], { genesisHash: node.genesisHash });
    using told = record(chain.nodeFaults$);
    assert.deepEqual(
      told.values.map(({ url, error }) => [url, error.code]),
      [[foreign.ws, 'wrong-chain']],
    );
  });
});

describe('what is found wrong with endpoints, as time goes by', () => {
  it('is no more told of one that others contradict once those were left, or after ten minutes', async () => {
    let now = 1_700_000_000_000;
    const faults = new NodeFaults(() => now);
    const doubt = new RelayError('endpoints-disagree', { details: { about: 'a test', said: '' } });
    const urls = (): string[] => faults.standing.map(({ url }) => url);
    faults.doubt('a', doubt, ['b', 'c']);
    faults.doubt('d', doubt, ['b']);
    assert.deepEqual(faults.clearDoubtsBy('b'), ['d']);
    assert.deepEqual(urls(), ['a']);
    assert.deepEqual(faults.clearDoubtsBy('c'), ['a']);
    assert.deepEqual(urls(), []);
    using told = record(faults.all$);
    faults.doubt('a', doubt, ['b']);
    now += 599_999;
    assert.deepEqual(urls(), ['a']);
    now += 1;
    assert.deepEqual(urls(), []);
    faults.doubt('a', doubt, ['b']);
    assert.deepEqual([urls(), told.values.length], [['a'], 2]);
  });

  it('is told of one that is contradicted again for ten minutes more, as long as one of those who did is not left', () => {
    let now = 1_700_000_000_000;
    const faults = new NodeFaults(() => now);
    const doubted = (...accusers: string[]): void =>
      faults.doubt('a', new RelayError('endpoints-disagree', { details: { about: 'a test', said: '' } }), accusers);
    using told = record(faults.all$);
    doubted('b');
    now += 540_000;
    doubted('c');
    assert.deepEqual(faults.clearDoubtsBy('c'), []);
    doubted('d');
    now += 599_999;
    assert.deepEqual(
      [faults.standing.map(({ url, at }) => [url, at]), told.values.length],
      [[['a', now - 599_999]], 1],
    );
    // What b said is longer ago than that.
    assert.deepEqual(faults.clearDoubtsBy('d'), ['a']);
    doubted('b');
    now += 600_000;
    assert.deepEqual(faults.standing, []);
  });
});
