import assert from 'node:assert/strict';
import { connectChain, type Chain } from '../../src/chain/index.ts';
import { toHex, type Hex } from '../../src/codec/index.ts';
import { readWorker, watchWorkerState } from '../../src/worker-state/index.ts';
import { alice, recordOf, signedEndpoints, testKey, testWorker, withCode } from '../chain/support.ts';
import { Refusal, startRpcProxy, type Alter } from '../support/rpc-proxy.ts';
import { describeOnChains } from '../support/shared-chain.ts';
import { until } from '../support/until.ts';

const worker = testWorker(1);
const proven = testKey(77);
/** A key whose secret the node has. */
const stolen = '5a'.repeat(32);

/** In the place of the worker's registration key, and its endpoints hidden. */
const ownKey: Alter = (method, _, result) => {
  if (method !== 'state_queryStorageAt') return result;
  const [set] = result as { block: Hex; changes: [Hex, Hex | null][] }[];
  const changes = set!.changes.map(([key, value]) => [
    key,
    value?.includes('6563') ? null : (value?.replace(toHex(worker.ecdhKey).slice(2), stolen) ?? null),
  ]);
  return [{ ...set, changes }];
};

/** Another name for the field of the key. */
const otherMetadata: Alter = (method, _, result) =>
  method === 'state_getMetadata'
    ? (result as string).replaceAll('656364685f7075626b6579', '656364685f7075626b657a')
    : result;

describeOnChains('one worker, read for who sends once', { workers: 3 }, (node) => {
  let dispose: AsyncDisposable[];
  const named: string[] = [];
  const logger = {
    debug: () => undefined,
    warn: (fields: object, text: string) => void named.push(`${text}: ${JSON.stringify(fields)}`),
  };
  before(async () => {
    await using chain = await connectChain({ endpoints: [node.ws] });
    await chain.submit([{ kind: 'register-worker', identity: worker.identity, ecdhKey: worker.ecdhKey }], alice);
    const endpoints = ['http://a.example', recordOf(worker, node.genesisHash, 1, proven)];
    const signed = await signedEndpoints(chain, worker, endpoints);
    await chain.submit([{ kind: 'update-worker-endpoint', ...signed }], alice, { waitFor: 'finalized' });
  });
  beforeEach(() => {
    dispose = [];
    named.splice(0);
  });
  afterEach(async () => {
    for (const each of dispose.reverse()) await each[Symbol.asyncDispose]();
  });

  async function connect(alter: Alter, others = 0): Promise<Chain> {
    const proxies = [await startRpcProxy(node.ws, alter)];
    for (let i = 0; i < others; i++) proxies.push(await startRpcProxy(node.ws));
    const chain = await connectChain({ endpoints: proxies.map(({ ws }) => ws), timeoutMs: 3_000, logger });
    dispose.push(...proxies, chain);
    return chain;
  }
  const isHonest = (entry: Awaited<ReturnType<typeof readWorker>>): void => {
    assert.deepEqual(entry?.current, { epoch: 1, ecdhKey: proven, proven: true });
    assert.deepEqual(entry.endpoints, ['http://a.example']);
  };

  const isNamedForMetadata = (): boolean => named.some((line) => line.includes('is left') && line.includes('metadata'));

  for (const verify of [undefined, true])
    it(`is what the trie holds, whatever the node says of its values (verify: ${verify})`, async () => {
      const chain = await connect(ownKey, 1);
      isHonest(await readWorker(chain, worker.identity, verify === undefined ? {} : { verify }));
      assert.equal(await readWorker(chain, testWorker(9).identity), undefined);
    });

  it('is read of another node where one lies in its proofs, which is named', async () => {
    const chain = await connect(
      (method, _, result) => (method === 'state_getReadProof' ? { proof: ['0x00'] } : result),
      2,
    );
    isHonest(await readWorker(chain, worker.identity, { verify: true }));
    assert.ok(named.some((line) => line.includes('is left')));
  });

  it('is not taken of a node without proofs, nor of one alone, where it must be proven', async () => {
    const bare: Alter = (method, _, result) =>
      method === 'state_getReadProof' ? new Refusal('Method not found') : result;
    const alone = await connect(bare);
    isHonest(await readWorker(alone, worker.identity));
    await assert.rejects(readWorker(alone, worker.identity, { verify: true }), withCode('proofs-unavailable'));
    let isSilent = false;
    const chain = await connect(
      (method, _, result) => (isSilent && method === 'chain_getFinalizedHead' ? new Refusal('no') : result),
      1,
    );
    isSilent = true;
    await assert.rejects(readWorker(chain, worker.identity, { verify: true }), withCode('no-quorum'));
  });

  it('is decoded by metadata that a quorum has: who has others is named', async () => {
    const chain = await connect(otherMetadata, 2);
    isHonest(await readWorker(chain, worker.identity, { verify: true }));
    await until(isNamedForMetadata);
    await using watch = watchWorkerState(chain, { verify: true });
    await watch.ready;
    isHonest(watch.state.get(worker.identity));
    // What the liar gave before is not used any more.
    isHonest(await readWorker(chain, worker.identity));
  });

  it('is decoded by metadata that a quorum has, though who has others tells them late: it is named then', async () => {
    let isBusy = false;
    const chain = await connect((method, params, result) => {
      if (isBusy && method === 'state_getMetadata') return new Refusal('busy', -32000);
      return otherMetadata(method, params, result);
    }, 2);
    isBusy = true;
    isHonest(await readWorker(chain, worker.identity, { verify: true }));
    isBusy = false;
    await until(isNamedForMetadata);
  });

  it('is not decoded where two nodes have different metadata and nobody settles it', async () => {
    const chain = await connect(otherMetadata, 1);
    await assert.rejects(
      readWorker(chain, worker.identity, { verify: true }),
      withCode('endpoints-disagree', 'the metadata of runtime'),
    );
  });
});
