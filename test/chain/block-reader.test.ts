import assert from 'node:assert/strict';
import { WebSocketServer } from 'ws';
import { systemClock } from '../../src/chain/index.ts';
import { silentLogger } from '../../src/chain/logger.ts';
import { Connection } from '../../src/chain/rpc/connection.ts';
import { OtherEndpoints } from '../../src/chain/rpc/other-endpoints.ts';
import { BlockReader, type BlockRequest } from '../../src/chain/storage/block-reader.ts';
import type { Hex } from '../../src/codec/index.ts';
import { inventBranch } from '../support/invented-branch.ts';

const genesisHash: Hex = `0x${'01'.repeat(32)}`;
const header = inventBranch({ number: 6, hash: genesisHash }).next();

interface Call {
  readonly id: number;
  readonly method: string;
  readonly params: readonly unknown[];
}

/** A node that answers each call with its parameter, and takes batches of at most so many calls, in the words of jsonrpsee. */
async function startNode(maxCalls: number) {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
  await new Promise((resolve) => server.once('listening', resolve));
  const batches: number[] = [];
  let alone = 0;
  const resultOf = ({ method, params }: Call): unknown => {
    if (method === 'chain_getBlockHash') return genesisHash;
    if (method === 'chain_getFinalizedHead') return genesisHash;
    return method === 'chain_getHeader' ? header : params[0];
  };
  server.on('connection', (client) => {
    client.on('message', (data: Buffer) => {
      const asked = JSON.parse(data.toString()) as Call | Call[];
      const answer = (call: Call) => ({ jsonrpc: '2.0', id: call.id, result: resultOf(call) });
      if (!Array.isArray(asked)) {
        if (asked.method === 'a_method') alone++;
        client.send(JSON.stringify(answer(asked)));
        return;
      }
      batches.push(asked.length);
      const error = {
        code: -32010,
        message: 'The batch request was too large',
        data: `Exceeded max limit of ${maxCalls}`,
      };
      const refusal = { jsonrpc: '2.0', id: null, error };
      client.send(JSON.stringify(asked.length > maxCalls ? refusal : asked.map(answer)));
    });
  });
  const { port } = server.address() as { port: number };
  return {
    ws: `ws://127.0.0.1:${port}`,
    batches,
    get alone() {
      return alone;
    },
    [Symbol.asyncDispose]: async () => {
      for (const client of server.clients) client.terminate();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

describe('many requests to a node that bounds the calls of a batch', () => {
  const requests = Array.from({ length: 64 }, (_, i): BlockRequest => ({
    method: 'a_method',
    params: [i],
    block: '0x',
  }));
  const expected = requests.map(({ params }) => params[0]);

  for (const [maxCalls, refused, taken] of [
    [64, [], [64]],
    [20, [64, 32, 32], [16, 16, 16, 16]],
    [1, [64, 32, 32, 16, 16, 16, 16], []],
  ] as const)
    it(`to ${maxCalls} are answered in order, in batches that it takes: the next ones at once`, async () => {
      await using node = await startNode(maxCalls);
      const connection = await Connection.open(
        {
          ...{ endpoints: [node.ws], genesisHash: undefined, timeoutMs: 10_000, quorum: 1 },
          ...{ backoff: { minMs: 10 }, clock: systemClock, logger: silentLogger },
        },
        undefined,
      );
      const reader = new BlockReader(connection, new OtherEndpoints(connection), systemClock);
      const read = async (): Promise<unknown[]> =>
        (await reader.askAll(requests, { few: 4 })).map((answer) => ('result' in answer ? answer.result : answer));
      assert.deepEqual(await read(), expected);
      assert.deepEqual(node.batches.slice(0, refused.length), refused);
      const before = node.batches.length;
      assert.deepEqual(await read(), expected);
      assert.deepEqual(node.batches.slice(before), taken);
      assert.equal(node.alone, maxCalls === 1 ? 128 : 0);
      connection.stop();
    });
});
