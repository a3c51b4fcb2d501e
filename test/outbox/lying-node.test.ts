import assert from 'node:assert/strict';
import { xxhashAsHex } from '@polkadot/util-crypto';
import { hashHeader, parseHeader } from '../../src/chain/head/header.ts';
import { connectChain, type Call, type Chain } from '../../src/chain/index.ts';
import { equalBytes, fromHex, Reader, toHex, Writer, type Hex } from '../../src/codec/index.ts';
import { startDevChain, type DevChain } from '../../src/dev-chain/index.ts';
import { RelayError } from '../../src/errors/index.ts';
import { createOutbox, type OutboxOptions } from '../../src/outbox/index.ts';
import { openMemoryStore } from '../../src/store/index.ts';
import { createMemoryVault, type Vault } from '../../src/vault/index.ts';
import { alice, bob, utf8 } from '../support/entities.ts';
import { useEndpoints } from '../support/endpoints.ts';
import { rejected } from '../support/expect-error.ts';
import { replacing } from '../support/replacing.ts';
import { Reply, type Alter } from '../support/rpc-proxy.ts';
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

  const commandOf = async (vault: Vault) =>
    ({
      ...({ suite: 'phala', topic, content: utf8('run'), as: 'worker' } as const),
      recipientKey: await currentKey(vault),
    }) as const;

  /** Signs what is posted, and says that the node refused it, which never got it. */
  function refusing(chain: Chain): { readonly chain: Chain; signed: readonly Call[] } {
    const refusal = new RelayError('extrinsic-rejected', { details: { reason: 'Custom error: 7' } });
    const made = {
      signed: [] as readonly Call[],
      chain: replacing(chain, {
        post: (calls, account, options) => {
          made.signed = calls;
          const beforePost: NonNullable<typeof options>['beforePost'] = async (extrinsic) => {
            await options?.beforePost?.(extrinsic);
            throw refusal;
          };
          return chain.post(calls, account, { ...options, beforePost });
        },
      }),
    };
    return made;
  }

  it('has no command signed anew, and come in twice, where others show what the sequence is', async () => {
    const vault = createMemoryVault();
    const store = openMemoryStore();
    const open = (chain: Chain, options: Partial<OutboxOptions> = {}) =>
      createOutbox({ chain, vault, store, directory: new Map(), account: alice, ...options });
    const refused = refusing(direct);
    const first = open(refused.chain);
    await first.start();
    const { sendId, ...receipt } = await first.send(await commandOf(vault));
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
    await direct.submit(refused.signed, bob).catch(() => undefined);
    await (await again.receipt(sendId))?.reached('finalized');
    assert.equal(await postings(), 1);
  });

  it('has no command signed anew where it says that the chain is further than it is', async () => {
    const vault = createMemoryVault();
    const store = openMemoryStore();
    const before = await postings();
    const finalized = await direct.finalizedHead();
    const { number, hash, stateRoot } = finalized;
    const header = {
      ...{ number: `0x${(number + 1_000).toString(16)}`, parentHash: hash, stateRoot, extrinsicsRoot: stateRoot },
      digest: { logs: [] },
    };
    const madeUp = hashHeader(parseHeader(header));
    const liar = await proxy((method, _, result) => (method === 'chain_getFinalizedHead' ? madeUp : result));
    liar.refuse = (method, params) =>
      method === 'chain_getHeader' && params[0] === madeUp ? new Reply(header) : undefined;
    // With proofs that are those of the block below.
    const chain = replacing(await connect([liar, await proxy(), await proxy()].map(({ ws }) => ws)), {
      provenSequence: (head, worker, signal) =>
        direct.provenSequence(head.hash === madeUp ? finalized : head, worker, signal),
    });
    const refused = refusing(chain);
    const open = (through: Chain) =>
      createOutbox({ chain: through, vault, store, directory: new Map(), account: alice });
    const first = open(refused.chain);
    await first.start();
    const { sendId, ...receipt } = await first.send(await commandOf(vault));
    await rejected(receipt.reached('inBlock'), 'extrinsic-rejected');
    await first.stop();

    await direct.submit(refused.signed, bob, { waitFor: 'finalized' });
    await using again = open(direct);
    await again.retry(sendId);
    await again.start();
    await (await again.receipt(sendId))?.reached('finalized');
    assert.equal(await postings(), before + 1);
  });
});
