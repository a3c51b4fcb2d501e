import assert from 'node:assert/strict';
import { systemClock } from '../../../src/chain/index.ts';
import { hashHeader } from '../../../src/chain/head/header.ts';
import { silentLogger } from '../../../src/chain/logger.ts';
import { EndpointBlocks } from '../../../src/chain/quorum/endpoint-blocks.ts';
import { abstention, Quorum } from '../../../src/chain/quorum/quorum.ts';
import { Connection } from '../../../src/chain/rpc/connection.ts';
import { OtherEndpoints } from '../../../src/chain/rpc/other-endpoints.ts';
import { startDevChain, type DevChain } from '../../../src/dev-chain/index.ts';
import type { Hex } from '../../../src/codec/index.ts';
import { startRpcProxy, type RpcProxy } from '../../support/rpc-proxy.ts';
import { withCode } from '../support.ts';

const hash: Hex = `0x${'12'.repeat(32)}`;

describe('an election among endpoints', () => {
  let dev: DevChain;
  let proxies: RpcProxy[];
  let connection: Connection;
  let quorum: Quorum;
  let urls: string[];
  before(async () => {
    dev = await startDevChain();
    proxies = [];
    for (let i = 0; i < 4; i++) proxies.push(await startRpcProxy(dev.ws));
    urls = proxies.map(({ ws }) => ws);
    connection = await Connection.open(
      {
        ...{ endpoints: urls, genesisHash: undefined, timeoutMs: 10_000, quorum: 2 },
        ...{ backoff: { minMs: 10 }, clock: systemClock, logger: silentLogger },
      },
      undefined,
    );
    const blocks = new EndpointBlocks(connection, new OtherEndpoints(connection), hashHeader);
    quorum = new Quorum({ connection, blocks, clock: systemClock, size: 2 });
  });
  after(async () => {
    connection.stop();
    for (const proxy of proxies) await proxy[Symbol.asyncDispose]();
    await dev.stop();
  });

  /** By place; undefined: it never says anything. */
  const elect = (...votes: readonly (Hex | undefined)[]): Promise<Hex> =>
    quorum.elect({
      ...{ about: 'a test', block: 7 },
      ask: (url) => {
        const vote = votes[urls.indexOf(url)];
        return vote === undefined ? Promise.reject(new Error('nonsense')) : Promise.resolve(vote);
      },
    });

  it('is over where the others have not got what is asked for, though one never says anything sensible', async () => {
    await assert.rejects(elect(abstention, abstention, undefined, abstention), withCode('state-discarded'));
    await assert.rejects(elect(undefined, abstention, abstention, abstention), withCode('state-discarded'));
  });

  it('is won by two, whoever says nothing', async () => {
    assert.equal(await elect(undefined, hash, abstention, hash), hash);
    assert.equal(await elect(undefined, undefined, hash, hash), hash);
  });

  it('is open while one that is out could make another a winner', async () => {
    const open = elect(hash, abstention, undefined, abstention);
    const later = new Promise((resolve) => setTimeout(resolve, 300, 'open'));
    assert.equal(await Promise.race([open.catch(() => 'over'), later]), 'open');
    connection.stop();
    await assert.rejects(open, withCode('chain-stopped'));
  });
});
