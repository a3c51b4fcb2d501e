import assert from 'node:assert/strict';
import { connectChain, type Chain, type ConnectOptions } from '../../../src/chain/index.ts';
import { startDevChain, type DevChain } from '../../../src/dev-chain/index.ts';
import { Refusal, startRpcProxy, type RpcProxy } from '../../support/rpc-proxy.ts';
import { withCode } from '../support.ts';

describe('Messages.follow, over a backlog', () => {
  let dev: DevChain;
  let proxy: RpcProxy;
  before(async () => {
    dev = await startDevChain();
    await dev.newBlock({ count: 30 });
  });
  beforeEach(async () => {
    proxy = await startRpcProxy(dev.ws);
  });
  afterEach(() => proxy[Symbol.asyncDispose]());
  after(() => dev.stop());

  const connected = (options: Partial<ConnectOptions> = {}): Promise<Chain> =>
    connectChain({ endpoints: [proxy.ws], backoff: { minMs: 1, maxMs: 2 }, ...options });
  async function followed(chain: Chain, verify: boolean, signal?: AbortSignal): Promise<void> {
    const genesis = { number: 0, hash: dev.genesisHash };
    for await (const { through } of chain.messages.follow(genesis, { topics: [Uint8Array.of(1)], verify }, signal))
      if (through.number >= dev.finalized.number) return;
  }

  for (const [what, method, verify] of [
    ['headers', 'chain_getHeader', true],
    ['hashes', 'chain_getBlockHash', false],
  ] as const)
    it(`ends with its signal while ${what} are waited for of a node that does not answer`, async () => {
      await using chain = await connected();
      const stop = new AbortController();
      proxy.hold = (asked) => {
        if (asked !== method) return undefined;
        setTimeout(() => stop.abort());
        return new Promise(() => undefined);
      };
      await assert.rejects(followed(chain, verify, stop.signal), withCode('aborted'));
    }).timeout(20_000);

  it('outlasts that its only node refuses a header hundreds of times which gave others, and warns meanwhile', async () => {
    const warnings: string[] = [];
    const warn = (details: object, message: string): void => void warnings.push(message + JSON.stringify(details));
    await using chain = await connected({ logger: { debug: () => undefined, warn } });
    const { hash } = (await chain.headAt(20)) ?? assert.fail('it is there');
    let refused = 0;
    proxy.alter = (method, [block], result) =>
      method === 'chain_getHeader' && block === hash && refused++ < 600
        ? new Refusal('Internal error', -32603)
        : result;
    await followed(chain, true);
    assert.ok(refused > 600);
    assert.ok(warnings.some((text) => text.includes('chain_getHeader') && text.includes('Internal error')));
  }).timeout(20_000);
});
