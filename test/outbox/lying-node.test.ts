import assert from 'node:assert/strict';
import { xxhashAsHex } from '@polkadot/util-crypto';
import { connectChain, type Call, type Chain } from '../../src/chain/index.ts';
import { equalBytes, fromHex, Reader, toHex, Writer, type Hex } from '../../src/codec/index.ts';
import { startDevChain, type DevChain } from '../../src/dev-chain/index.ts';
import { RelayError } from '../../src/errors/index.ts';
import { createOutbox, type OutboxOptions } from '../../src/outbox/index.ts';
import { openMemoryStore } from '../../src/store/index.ts';
import { createMemoryVault } from '../../src/vault/index.ts';
import { alice, bob, utf8 } from '../support/entities.ts';
import { useEndpoints } from '../support/endpoints.ts';
import { rejected } from '../support/expect-error.ts';
import { replacing } from '../support/replacing.ts';
import type { Alter } from '../support/rpc-proxy.ts';
import { currentKey } from '../support/vaults.ts';
import { until } from '../support/until.ts';

const ingress = `${xxhashAsHex('PhalaMq', 128)}${xxhashAsHex('OffchainIngress', 128).slice(2)}`;
const topic = utf8('commands');

describe('outbox: a node that makes up the sequence of a worker', () => {
  let dev: DevChain;
  let direct: Chain;
  const { proxy, connect } = useEndpoints(() => dev.ws);

  before(async () => {
    dev = await startDevChain();
    direct = await connectChain({ endpoints: [dev.ws] });
  });

  after(async () => {
    await direct.stop();
    await dev.stop();
  });

  /** As if one message more had been posted. */
  const oneMore: Alter = (method, [keys], result) => {
    const [key] = Array.isArray(keys) ? (keys as Hex[]) : [];
    if (method !== 'state_queryStorageAt' || key?.startsWith(ingress) !== true) return result;
    const [{ block, changes }] = result as [{ block: Hex; changes: [Hex, Hex | null][] }];
    const more = (value: Hex | null): Hex =>
      toHex(new Writer(8).u64((value === null ? 0n : new Reader(fromHex(value), 'It').u64()) + 1n).finish());
    return [{ block, changes: changes.map(([each, value]) => [each, more(value)]) }];
  };

  async function postings(): Promise<number> {
    let times = 0;
    for (let number = 0; number <= dev.head.number; number++) {
      const { hash } = (await direct.headAt(number)) ?? assert.fail('it is there');
      const messages = await direct.at(hash).outboundMessages();
      times += messages.filter(({ destination }) => equalBytes(destination, topic)).length;
    }
    return times;
  }

  it('has no command signed anew, and come in twice, where others show what the sequence is', async () => {
    const vault = createMemoryVault();
    const store = openMemoryStore();
    const open = (chain: Chain, options: Partial<OutboxOptions> = {}) =>
      createOutbox({ chain, vault, store, directory: new Map(), account: alice, ...options });
    let signed: readonly Call[] = [];
    const refusing = replacing(direct, {
      post: (calls, account, options) => {
        signed = calls;
        const beforePost: NonNullable<typeof options>['beforePost'] = async (extrinsic) => {
          await options?.beforePost?.(extrinsic);
          throw new RelayError('extrinsic-rejected', { details: { reason: 'Custom error: 7' } });
        };
        return direct.post(calls, account, { ...options, beforePost });
      },
    });
    const first = open(refusing);
    await first.start();
    const recipientKey = await currentKey(vault);
    const { sendId, ...receipt } = await first.send({
      ...({ suite: 'phala', topic, recipientKey, content: utf8('run'), as: 'worker' } as const),
    });
    await rejected(receipt.reached('inBlock'), 'extrinsic-rejected');
    await first.stop();

    const [liar, ...others] = [await proxy(oneMore), await proxy(), await proxy()];
    const chain = await connect([liar, ...others].map(({ ws }) => ws));
    assert.equal(chain.trust, 'quorum');
    let posts = 0;
    const counting = replacing(chain, {
      post: async (...args) => {
        const extrinsic = await chain.post(...args);
        posts += 1;
        return extrinsic;
      },
    });
    await using again = open(counting);
    await again.retry(sendId);
    await again.start();
    await until(() => posts > 0);
    // Whoever has seen what was signed first may post it.
    await direct.submit(signed, bob).catch(() => undefined);
    await (await again.receipt(sendId))?.reached('finalized');
    assert.equal(await postings(), 1);
  });
});
