import assert from 'node:assert/strict';
import { systemClock } from '../../../src/chain/index.ts';
import { hashHeader } from '../../../src/chain/head/header.ts';
import { silentLogger } from '../../../src/chain/logger.ts';
import { EndpointBlocks } from '../../../src/chain/quorum/endpoint-blocks.ts';
import { Connection } from '../../../src/chain/rpc/connection.ts';
import { OtherEndpoints } from '../../../src/chain/rpc/other-endpoints.ts';
import { startDevChain } from '../../../src/dev-chain/index.ts';
import { startRpcProxy } from '../../support/rpc-proxy.ts';
import { until } from '../../support/until.ts';

describe('what an endpoint has finalized', () => {
  it('is asked anew where another node answers behind the same URL, which may be behind and on a fork', async () => {
    await using dev = await startDevChain();
    await using fork = await startDevChain({ finalityLag: 1_000 });
    assert.equal(fork.genesisHash, dev.genesisHash);
    await dev.newBlock({ count: 6 });
    await fork.newBlock({ count: 10, timestamp: Date.now() + 7_200_000 });
    await using balanced = await startRpcProxy(dev.ws);
    const connection = await Connection.open(
      {
        ...{ endpoints: [dev.ws, balanced.ws], genesisHash: undefined, timeoutMs: 10_000, quorum: 2 },
        ...{ backoff: { minMs: 10 }, clock: systemClock, logger: silentLogger },
      },
      undefined,
    );
    const endpoints = new OtherEndpoints(connection);
    const blocks = new EndpointBlocks(connection, endpoints, hashHeader);
    const { number } = dev.finalized;
    assert.deepEqual(await blocks.newest(balanced.ws), { number, hash: dev.finalized.hash });
    assert.equal(await blocks.hashAt(balanced.ws, number), dev.finalized.hash);
    const before = await endpoints.socket(balanced.ws);
    assert.ok(await blocks.hasFinalized(before, number));
    balanced.target = fork.ws;
    balanced.cut();
    await until(() => !before.isOpen);
    await before.closed;
    assert.equal(await blocks.hashAt(balanced.ws, number), undefined);
    assert.equal(await blocks.hasFinalized(await endpoints.socket(balanced.ws), number), false);
    connection.stop();
  });

  it('counts for how far others are only with a header that hashes to it: who has another is left', async () => {
    await using dev = await startDevChain();
    await dev.newBlock({ count: 6 });
    const { number } = dev.finalized;
    await using liar = await startRpcProxy(dev.ws);
    await using honest = await startRpcProxy(dev.ws);
    const connection = await Connection.open(
      {
        ...{ endpoints: [dev.ws, liar.ws, honest.ws], genesisHash: undefined, timeoutMs: 10_000, quorum: 1 },
        ...{ backoff: { minMs: 10 }, clock: systemClock, logger: silentLogger },
      },
      undefined,
    );
    const endpoints = new OtherEndpoints(connection);
    const blocks = new EndpointBlocks(connection, endpoints, hashHeader);
    assert.equal(await blocks.furthest(), number);
    await dev.newBlock();
    liar.alter = (method, _, result) =>
      method === 'chain_getHeader' ? { ...(result as object), number: '0xf4240' } : result;
    assert.equal(await blocks.furthest(), dev.finalized.number);
    assert.ok(dev.finalized.number > number);
    assert.deepEqual(
      [liar, honest].map(({ ws }) => connection.hasLeft(ws)),
      [true, false],
    );
    connection.health.forgetFrom(0);
    assert.equal(await blocks.furthest(), dev.finalized.number);
    assert.equal(connection.health.furthest, dev.finalized.number, 'what it is told again counts again');
    connection.stop();
  });
});
