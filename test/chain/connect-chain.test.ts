import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { connectChain } from '../../src/chain/index.ts';
import { storagePrefix } from '../../src/chain/storage/storage-key.ts';
import { startDevChain } from '../../src/dev-chain/index.ts';
import type { ErrorCode } from '../../src/errors/index.ts';
import { withCode } from './support.ts';
import { watchWorkerState } from '../../src/worker-state/index.ts';
import { collectGarbage } from '../support/collect-garbage.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { until } from '../support/until.ts';
import { Refusal, startRpcProxy } from '../support/rpc-proxy.ts';
import { assertNewest, describeOnChains } from '../support/shared-chain.ts';
import { startProxy } from './tcp-proxy.ts';

const paraIdKey = storagePrefix('ParachainInfo', 'ParachainId');
/** Where nothing listens (discard protocol). */
const deadUrl = 'ws://127.0.0.1:9';

/** Runs and gives what was written to stdout and stderr meanwhile. */
async function outputOf(run: () => Promise<unknown>): Promise<string> {
  const { stdout, stderr } = process;
  const streams = [stdout, stderr].map((stream) => ({ stream, write: stream.write.bind(stream) }));
  let text = '';
  const capture = (chunk: unknown): boolean => {
    text += String(chunk);
    return true;
  };
  for (const { stream } of streams) stream.write = capture;
  try {
    await run();
  } finally {
    for (const { stream, write } of streams) stream.write = write;
  }
  return text;
}

/** What a node says instead of its result; undefined where it says that. */
type Lie = (method: string, params: readonly unknown[], result: unknown) => unknown;

const hexOf = (text: string): string => Buffer.from(text).toString('hex');

/** A node of a chain that has a parachain id, with that for its value. */
const withParaId =
  (value: string): Lie =>
  (method, [keys], result) => {
    if (method === 'state_getMetadata')
      return String(result)
        .replaceAll(hexOf('PhalaRegistry'), hexOf('ParachainInfo'))
        .replaceAll(hexOf('ClusterKeys'), hexOf('ParachainId'));
    const isAsked = method === 'state_queryStorageAt' && (keys as unknown[])[0] === paraIdKey;
    return isAsked ? [{ block: '0x', changes: [[paraIdKey, value]] }] : undefined;
  };

describe('connectChain', () => {
  it('gives up on a dead URL with its name, and prints nothing', async () => {
    const output = await outputOf(() =>
      assert.rejects(connectChain({ endpoints: [deadUrl], timeoutMs: 300 }), withCode('chain-unreachable', deadUrl)),
    );
    assert.equal(output, '');
  });

  it('gives up on a server that accepts and never answers', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    await assert.rejects(
      connectChain({ endpoints: [`ws://127.0.0.1:${port}`], timeoutMs: 300 }),
      withCode('chain-unreachable', String(port)),
    );
    server.close();
  });

  for (const endpoints of [[], ['http://127.0.0.1:1'], ['ws://']])
    it(`refuses ${JSON.stringify(endpoints)} as endpoints`, () =>
      assert.rejects(connectChain({ endpoints }), withCode('bad-endpoint')));
});

describeOnChains('connectChain to a node', {}, (node) => {
  it('tells what the chain is', async () => {
    await using chain = await connectChain({ endpoints: [node.ws] });
    assert.equal(chain.genesisHash, node.genesisHash);
    assert.equal(chain.isLocal, true);
    const { specName, ss58Prefix, tokenSymbol, tokenDecimals, noneAttestationEnabled, maxExtrinsicBytes } = chain.info;
    assert.deepEqual(
      { specName, ss58Prefix, tokenSymbol, tokenDecimals, noneAttestationEnabled },
      { specName: 'khala-dev', ss58Prefix: 30, tokenSymbol: 'PHA', tokenDecimals: 12, noneAttestationEnabled: true },
    );
    assert.ok(maxExtrinsicBytes > 3_000_000 && maxExtrinsicBytes < 5 * 1024 * 1024 * 0.75);
  });

  it('prints nothing, of unknown signed extensions neither', async () => {
    const output = await outputOf(async () => {
      await using chain = await connectChain({ endpoints: [node.ws] });
      await chain.bestHead();
    });
    assert.equal(output, '');
  });

  it('goes on to the endpoint that answers', async () => {
    await using chain = await connectChain({ endpoints: [deadUrl, node.ws] });
    assert.equal(chain.genesisHash, node.genesisHash);
  });

  it('refuses another chain than the one asked for', async () => {
    const genesisHash = `0x${'11'.repeat(32)}` as const;
    await assert.rejects(
      connectChain({ endpoints: [node.ws], genesisHash }),
      withCode('wrong-chain', node.genesisHash, genesisHash),
    );
  });

  it('does not wait for its chain where all that do not lie are of another one', async () => {
    await using other = await startDevChain({ workers: 1 });
    for (const isFirst of [true, false]) {
      await using liar = await startRpcProxy(node.ws, (method, _, result) =>
        method === 'chain_getHeader' ? {} : result,
      );
      const endpoints = isFirst ? [liar.ws, other.ws] : [other.ws, liar.ws];
      await assert.rejects(
        connectChain({ endpoints, genesisHash: node.genesisHash }),
        withCode('wrong-chain', other.genesisHash, node.genesisHash),
      );
    }
  });

  it('takes the genesis hash asked for in capitals too', async () => {
    const genesisHash = `0x${node.genesisHash.slice(2).toUpperCase()}` as const;
    await using chain = await connectChain({ endpoints: [node.ws], genesisHash });
    assert.equal(chain.genesisHash, node.genesisHash);
  });

  for (const [what, lie, code] of [
    ['metadata that is none', (method) => (method === 'state_getMetadata' ? '0x00' : undefined), 'unsupported-runtime'],
    [
      'a best block that nobody has',
      (method, [number]) =>
        method === 'chain_getBlockHash' && (number ?? undefined) === undefined ? `0x${'fa'.repeat(32)}` : undefined,
      'state-discarded',
    ],
    [
      'refusals',
      (method) => (method === 'state_getMetadata' ? new Refusal('not here', -32000) : undefined),
      'rpc-failed',
    ],
    ['a parachain id that is no hex', withParaId('0xzz'), 'bad-storage'],
    ['a parachain id that is too short', withParaId('0x01'), 'bad-storage'],
  ] as readonly (readonly [string, Lie, ErrorCode])[]) {
    it(`goes on to the next endpoint where the first one gives ${what}`, async () => {
      await using odd = await startRpcProxy(node.ws, (...told) => lie(...told) ?? told[2]);
      await using chain = await connectChain({ endpoints: [odd.ws, node.ws] });
      assert.equal(chain.info.specName, 'khala-dev');
    });

    it(`says so where the only one gives ${what}`, async () => {
      await using odd = await startRpcProxy(node.ws, (...told) => lie(...told) ?? told[2]);
      await assert.rejects(connectChain({ endpoints: [odd.ws] }), withCode(code));
    });
  }

  it('gives up at its time where a node breaks each connection, however long the first one took', async () => {
    const [clock, timeoutMs] = [new ManualClock(), 60_000];
    await using proxy = await startRpcProxy(node.ws);
    let wasSlow = false;
    proxy.fault = ({ method }) => {
      if (method === 'chain_getFinalizedHead' && !wasSlow) {
        wasSlow = true;
        clock.advance(0.9 * timeoutMs);
      }
      if (method !== 'state_getMetadata') return undefined;
      clock.advance(0.2 * timeoutMs);
      return { kind: 'cut' };
    };
    await assert.rejects(
      connectChain({ endpoints: [proxy.ws], timeoutMs, clock }),
      withCode('chain-unreachable', proxy.ws),
    );
    assert.equal(proxy.made.get('cut'), 1);
  });

  it('goes on where a connection breaks while there is time', async () => {
    await using proxy = await startRpcProxy(node.ws);
    proxy.fault = ({ method }) =>
      method === 'state_getMetadata' && (proxy.made.get('cut') ?? 0) < 3 ? { kind: 'cut' } : undefined;
    await using chain = await connectChain({ endpoints: [proxy.ws], backoff: { maxMs: 50 } });
    assert.equal(chain.genesisHash, node.genesisHash);
    assert.equal(proxy.made.get('cut'), 3);
  });

  it('does not fail over to another chain', async () => {
    await using other = await startDevChain({ workers: 1 });
    assert.notEqual(other.genesisHash, node.genesisHash);
    await using proxy = await startProxy(node.ws);
    await using chain = await connectChain({
      endpoints: [proxy.ws, other.ws],
      timeoutMs: 1_000,
      backoff: { maxMs: 50 },
    });
    proxy.close();
    proxy.cut();
    await assert.rejects(async () => {
      for (;;) await chain.bestHead();
    }, withCode('chain-unreachable'));
    proxy.open();
    await chain.finalizedHead();
    assert.equal(chain.genesisHash, node.genesisHash);
  });

  it('ends a wait when the signal fires', async () => {
    const stopping = new AbortController();
    const connecting = connectChain({ endpoints: [deadUrl], signal: stopping.signal });
    stopping.abort();
    await assert.rejects(connecting, withCode('aborted'));
    await assert.rejects(connectChain({ endpoints: [node.ws], signal: stopping.signal }), withCode('aborted'));
  });

  it('stops more than once, and says so to whoever asks it later', async () => {
    const chain = await connectChain({ endpoints: [node.ws] });
    await chain.stop();
    await chain.stop();
    await assert.rejects(chain.bestHead(), withCode('chain-stopped'));
  });

  it('is held by nothing once it was stopped', async () => {
    const stopped: WeakRef<object>[] = [];
    const use = async (): Promise<void> => {
      const chain = await connectChain({ endpoints: [node.ws] });
      stopped.push(new WeakRef(chain));
      const watch = watchWorkerState(chain);
      await watch.ready;
      await chain.at((await chain.bestHead()).hash).timestamp();
      await watch.stop();
      await chain.stop();
    };
    for (let i = 0; i < 4; i++) await use();
    // The last one may still be on the stack.
    await until(() => {
      collectGarbage();
      return stopped.slice(0, -1).every((chain) => chain.deref() === undefined);
    });
  });

  it('reads on over a cut, at another endpoint', async () => {
    await using proxy = await startProxy(node.ws);
    await using chain = await connectChain({ endpoints: [proxy.ws, node.ws] });
    const before = await chain.bestHead();
    proxy.close();
    proxy.cut();
    await assertNewest(node, await chain.bestHead(), before);
  });
});
