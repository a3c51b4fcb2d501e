import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Hex } from '../../src/codec/index.ts';
import { startDevChain, type DevChain } from '../../src/dev-chain/index.ts';
import { connect, RawClient } from './support.ts';

describe('dev-chain: the server', () => {
  let chain: DevChain;
  let raw: RawClient;

  before(async () => {
    chain = await startDevChain();
  });

  beforeEach(async () => {
    raw = await RawClient.open(chain.ws);
  });

  afterEach(() => {
    raw[Symbol.dispose]();
  });

  after(() => chain.stop());

  it('answers a batch with a batch, in its order', async () => {
    const batch = [
      { jsonrpc: '2.0', id: 1, method: 'system_health', params: [] },
      { jsonrpc: '2.0', id: 'two', method: 'no_such_method', params: [] },
      { jsonrpc: '2.0', method: 'system_health', params: [] },
      { jsonrpc: '2.0', id: 3, method: 'chain_getBlockHash', params: [[0, '0x1', 99]] },
      7,
    ];
    const replies = (await raw.raw(JSON.stringify(batch))) as { id: unknown; result?: unknown; error?: object }[];
    assert.deepEqual(
      replies.map(({ id }) => id),
      [1, 'two', 3, null],
    );
    assert.deepEqual(replies[1]!.error, { code: -32601, message: 'Method not found' });
    assert.deepEqual(replies[2]!.result, [chain.genesisHash, chain.head.hash, null]);
    assert.deepEqual(replies[3]!.error, { code: -32600, message: 'Invalid request' });
  });

  it('answers what is no request with the error that says so', async () => {
    const error = async (text: string): Promise<unknown> => ((await raw.raw(text)) as { error: object }).error;
    assert.deepEqual(await error('{"jsonrpc":'), { code: -32700, message: 'Parse error' });
    assert.deepEqual(await error('[]'), { code: -32600, message: 'Invalid request' });
    assert.deepEqual(await error('{"id":1}'), { code: -32600, message: 'Invalid request' });
    assert.equal((await raw.ask('no_such_method')).error?.code, -32601);
    assert.equal((await raw.ask('state_getStorage', 'not hex')).error?.code, -32602);
    assert.equal((await raw.ask('state_getStorage')).error?.code, -32602);
    assert.equal((await raw.ask('state_getKeysPaged', '0x', 1_001)).error?.code, 4002);
    assert.equal((await raw.ask('state_call', 'No_such_function', '0x')).error?.code, 4003);
  });

  it('knows all that a client asks for when it connects', async () => {
    const { methods } = await raw.result<{ methods: string[] }>('rpc_methods');
    const asked = [
      ...['system_name', 'system_version', 'system_chain', 'system_chainType', 'system_properties', 'system_health'],
      ...['system_peers', 'system_localPeerId', 'system_localListenAddresses', 'system_nodeRoles', 'system_syncState'],
      ...['state_getMetadata', 'state_getRuntimeVersion', 'chain_getHeader', 'chain_getBlock', 'chain_getBlockHash'],
      ...['chain_getFinalizedHead', 'author_pendingExtrinsics', 'rpc_methods', 'chainSpec_v1_genesisHash'],
    ];
    for (const method of asked) {
      assert.ok(methods.includes(method), method);
      assert.notEqual(await raw.result(method), undefined, method);
    }
    assert.deepEqual(await raw.result('system_health'), { peers: 0, isSyncing: false, shouldHavePeers: false });
    assert.deepEqual(await raw.result('system_properties'), { ss58Format: 30, tokenDecimals: 12, tokenSymbol: 'PHA' });
    const { specName } = await raw.result<{ specName: string }>('state_getRuntimeVersion');
    assert.equal(specName, 'khala-dev');
    const subscriptions = ['chain_subscribeNewHeads', 'chain_subscribeAllHeads', 'chain_subscribeFinalizedHeads'];
    for (const method of [...subscriptions, 'state_subscribeRuntimeVersion']) {
      const subscription = await raw.result<string>(method);
      assert.notEqual(await raw.next(subscription), undefined, method);
      assert.equal(await raw.result(method.replace('subscribe', 'unsubscribe'), subscription), true);
      assert.equal(await raw.result(method.replace('subscribe', 'unsubscribe'), subscription), false);
    }
  });

  it('answers plain HTTP, but has no subscriptions there', async () => {
    const post = async (method: string): Promise<{ result?: unknown; error?: { code: number } }> => {
      const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params: [] });
      const response = await fetch(chain.ws.replace('ws', 'http'), { method: 'POST', body });
      return (await response.json()) as { result?: unknown };
    };
    assert.equal((await post('chainSpec_v1_genesisHash')).result, chain.genesisHash);
    assert.equal((await post('chain_subscribeNewHeads')).error?.code, -32601);
    assert.equal((await fetch(chain.ws.replace('ws', 'http'))).status, 405);
  });

  it('tells a subscription its id before anything else', async () => {
    const id = 77;
    raw.socket.send(JSON.stringify({ jsonrpc: '2.0', id, method: 'chain_subscribeNewHeads', params: [] }));
    const first = (await raw.take(() => true)) as { id?: number };
    assert.equal(first.id, id);
  });

  it('drops the subscriptions of a socket that closed', async () => {
    using other = await RawClient.open(chain.ws);
    await other.result('chain_subscribeNewHeads');
    await other.result('state_subscribeStorage', ['0x00']);
    other.socket.terminate();
    await once(other.socket, 'close');
    const subscription = await raw.result<string>('chain_subscribeNewHeads');
    await raw.next(subscription);
    const { number } = await chain.newBlock();
    assert.equal(Number((await raw.next<{ number: Hex }>(subscription)).number), number);
  });

  it('cuts all sockets, and clients find their way back', async () => {
    await using client = await connect(chain.ws);
    const heads: number[] = [];
    await client.api.rpc.chain.subscribeNewHeads((header) => void heads.push(header.number.toNumber()));
    const reconnected = new Promise<void>((resolve) => {
      client.api.once('disconnected', () => client.api.once('connected', resolve));
    });
    const closed = once(raw.socket, 'close');
    chain.cutSockets();
    await Promise.all([closed, reconnected]);
    const { number } = await chain.newBlock();
    while (heads.at(-1) !== number) await new Promise((resolve) => setTimeout(resolve, 20));
    raw = await RawClient.open(chain.ws);
  });

  it('pauses all sockets without closing them', async () => {
    const subscription = await raw.result<string>('chain_subscribeNewHeads');
    await raw.next(subscription);
    chain.pauseSockets();
    const { number } = await chain.newBlock();
    const asked = raw.result('system_chain');
    const silent = await Promise.race([asked, new Promise((resolve) => setTimeout(() => resolve('silence'), 200))]);
    assert.equal(silent, 'silence');
    assert.equal(raw.pending(subscription), 0);
    chain.resumeSockets();
    assert.equal(typeof (await asked), 'string');
    assert.equal(Number((await raw.next<{ number: Hex }>(subscription)).number), number);
  });
});
