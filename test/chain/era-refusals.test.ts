import assert from 'node:assert/strict';
import { connectChain, type Call, type Chain } from '../../src/chain/index.ts';
import { startDevChain, type DevChain } from '../../src/dev-chain/index.ts';
import { Refusal, startRpcProxy, type RpcProxy } from '../support/rpc-proxy.ts';
import { alice, utf8 } from './support.ts';

const call: Call = { kind: 'push-message', destination: utf8('topic'), payload: Uint8Array.of(1) };
const ancient = new Refusal('Invalid Transaction', 1010, 'Transaction has an ancient birth block');

const isSubmit = (method: string): boolean => method.startsWith('author_submit');
/** What asks a node how far it is. */
const isNewest = (method: string, params: readonly unknown[]): boolean =>
  method === 'chain_getHeader' && params.length === 0;

describe('an extrinsic that is refused for its era', () => {
  let dev: DevChain;
  let one: RpcProxy;
  let two: RpcProxy;
  let chain: Chain;

  beforeEach(async () => {
    dev = await startDevChain();
    await dev.newBlock({ count: 3 });
    one = await startRpcProxy(dev.ws);
    two = await startRpcProxy(dev.ws);
  });

  afterEach(async () => {
    await chain.stop();
    for (const resource of [one, two, dev]) await resource[Symbol.asyncDispose]();
  });

  it('goes to another node where its own has not got the block that it is anchored on', async () => {
    chain = await connectChain({ endpoints: [one.ws, two.ws], backoff: { minMs: 5, maxMs: 20 } });
    const submitted: RpcProxy[] = [];
    for (const way of [one, two]) {
      way.refuse = (method) => {
        if (!isSubmit(method)) return undefined;
        submitted.push(way);
        return submitted[0] === way ? ancient : undefined;
      };
      way.alter = (method, params, result) =>
        submitted[0] === way && isNewest(method, params) ? { ...(result as object), number: '0x0' } : result;
    }
    await chain.submit([call], alice);
    assert.equal(submitted.length, 2);
    assert.notEqual(submitted[0], submitted[1]);
  });
});
