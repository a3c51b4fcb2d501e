import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { connectChain, type Chain } from '../../src/chain/index.ts';
import { toHex, topicOf, type Hex } from '../../src/codec/index.ts';
import { startDevChain, type DevChain } from '../../src/dev-chain/index.ts';
import { createInbox, type Inbox, type InboxOptions } from '../../src/inbox/index.ts';
import { openMemoryStore } from '../../src/store/index.ts';
import type { Vault } from '../../src/vault/index.ts';
import { bob, registered, temporaryFolder, utf8 } from '../support/entities.ts';
import { InboxProbe } from '../support/inbox-probe.ts';
import { Refusal, startRpcProxy } from '../support/rpc-proxy.ts';
import { Poster } from './support.ts';

const codeKey = toHex(utf8(':code'));
const legacyRuntime = new URL('../../runtime/artifacts/khala-dev-legacy.wasm', import.meta.url);

describe('inbox: a chain that changes, and nodes that do not agree', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let dev: DevChain;
  let direct: Chain;
  let sender: Vault;
  let recipient: Vault;
  let poster: Poster;
  let first: number;
  const open: AsyncDisposable[] = [];

  beforeEach(async () => {
    folder = await temporaryFolder();
    dev = await startDevChain();
    direct = await connectChain({ endpoints: [dev.ws] });
    [sender, recipient] = (await registered(direct, folder.path, ['a', 'b'])) as [Vault, Vault];
    poster = await Poster.of(direct, sender, recipient);
    first = dev.head.number + 1;
  });

  afterEach(async () => {
    for (const resource of open.splice(0).reverse()) await resource[Symbol.asyncDispose]();
    await direct.stop();
    await dev.stop();
    await folder.remove();
  });

  async function started(chain: Chain, options: Partial<InboxOptions> = {}): Promise<InboxProbe> {
    const inbox: Inbox = createInbox({ chain, vault: recipient, store: openMemoryStore(), from: first, ...options });
    open.push(inbox);
    await inbox.start();
    return new InboxProbe(inbox);
  }

  for (const finality of ['finalized', 'best'] as const)
    for (const verify of [true, false])
      it(`reads on over a runtime upgrade, as it comes and in a backlog (${finality}, ${verify ? 'with' : 'without'} proofs)`, async () => {
        const live = await started(direct, { finality, verify });
        await poster.send(recipient, 'before');
        await dev.setStorage([[codeKey, toHex(await readFile(legacyRuntime))]]);
        await dev.newBlock();
        await poster.send(recipient, 'after');
        await dev.newBlock({ count: 3 });
        const later = await connectChain({ endpoints: [dev.ws] });
        open.push(later);
        const backlog = await started(later, { finality, verify });
        for (const probe of [live, backlog]) {
          await probe.until(() => probe.deliveries.length === 2);
          assert.deepEqual(probe.texts, ['before', 'after']);
          // What is early is proven once it is final.
          if (finality === 'finalized') assert.ok(probe.deliveries.every(({ proven }) => proven === verify));
        }
      });

  for (const finality of ['finalized', 'best'] as const)
    it(`reads the same by ranges of blocks as block by block, over an upgrade and a reorg (${finality})`, async () => {
      await using lagging = await startDevChain({ finalityLag: 4 });
      await using chain = await connectChain({ endpoints: [lagging.ws] });
      const [from, to] = (await registered(chain, folder.path, [`c ${finality}`, `d ${finality}`])) as [Vault, Vault];
      const posting = await Poster.of(chain, from, to);
      const begin = lagging.finalized.number + 1;
      // Each inbox reads as it comes, and again as a backlog.
      const listen = async (isAlone: boolean) => {
        const proxy = await startRpcProxy(lagging.ws, (method, _params, result) =>
          isAlone && method === 'state_queryStorage'
            ? new Refusal('RPC call is unsafe to be called externally')
            : result,
        );
        const reading = await connectChain({ endpoints: [proxy.ws] });
        const inbox = createInbox({
          ...{ chain: reading, vault: to, store: openMemoryStore(), from: begin, finality, verify: false },
        });
        open.push(proxy, reading, inbox);
        await inbox.start();
        return { proxy, probe: new InboxProbe(inbox) };
      };
      const live = [await listen(false), await listen(true)];
      await posting.send(to, 'before');
      await lagging.newBlock({ count: 5 });
      const forkAt = lagging.head.number;
      await posting.send(to, 'taken back');
      await lagging.newBlock();
      // Who reads early has it before it is taken back.
      if (finality === 'best')
        for (const { probe } of live) await probe.until(() => probe.texts.includes('taken back'));
      await lagging.reorg(forkAt);
      await posting.send(to, 'on the other branch');
      await lagging.setStorage([[codeKey, toHex(await readFile(legacyRuntime))]]);
      await lagging.newBlock();
      await posting.send(to, 'after');
      await posting.send(to, 'after');
      await lagging.newBlock({ count: 6 });
      const backlog = [await listen(false), await listen(true)];
      const seen = ({ probe }: (typeof live)[number]): string[] =>
        probe.deliveries.map(({ block }, i) => `${block} ${probe.texts[i]}`);
      const isLast = (each: (typeof live)[number]): boolean =>
        seen(each).filter((line) => line.endsWith(' after')).length === 2;
      for (const each of [...live, ...backlog]) await each.probe.until(() => isLast(each));
      const [ranges, alone] = backlog as [(typeof live)[number], (typeof live)[number]];
      assert.deepEqual(seen(ranges), seen(alone));
      assert.deepEqual(ranges.probe.texts, ['before', 'on the other branch', 'after', 'after']);
      assert.deepEqual(live.map(seen)[0], live.map(seen)[1]);
      assert.deepEqual(live[0]?.probe.texts.includes('taken back'), finality === 'best');
      assert.ok((ranges.proxy.asked.get('state_queryStorage') ?? 0) > 0);
      // Best blocks are read as they come.
      if (finality === 'finalized') assert.equal(ranges.proxy.asked.get('state_getStorage') ?? 0, 0);
      assert.ok((alone.proxy.asked.get('state_getStorage') ?? 0) > 0);
    });

  for (const place of [0, 1, 2])
    it(`of three nodes one makes up a branch, given in place ${place + 1}: it is named and left, nothing of it is delivered`, async () => {
      await poster.send(recipient, 'true');
      const liar = await startDevChain();
      open.push(liar);
      assert.equal(liar.genesisHash, dev.genesisHash);
      const forging = await connectChain({ endpoints: [liar.ws] });
      open.push(forging);
      await liar.newBlock({ count: dev.head.number + 20, timestamp: Date.now() + 3_600_000 });
      await (await Poster.of(forging, sender, recipient)).send(recipient, 'made up');
      const proxy = await startRpcProxy(dev.ws);
      open.push(proxy);
      const named: string[] = [];
      const logger = {
        debug: () => undefined,
        warn: (fields: object, text: string) => {
          named.push(`${text}: ${JSON.stringify(fields)}`);
        },
      };
      const endpoints = [dev.ws, proxy.ws].toSpliced(place, 0, liar.ws);
      const chain = await connectChain({ endpoints, quorum: 2, logger, backoff: { minMs: 10, maxMs: 50 } });
      open.push(chain);
      const probe = await started(chain, { verify: true });
      await poster.send(recipient, 'true as well');
      await probe.until(() => probe.deliveries.length === 2);
      assert.deepEqual(probe.texts, ['true', 'true as well']);
      assert.ok(probe.deliveries.every(({ proven }) => proven));
      assert.ok(
        named.some((line) => line.includes(liar.ws)),
        named.join('\n'),
      );
      const wrongly = named.filter((line) => [dev.ws, proxy.ws].some((ws) => line.includes(ws)));
      assert.deepEqual(wrongly, []);
    });

  it('takes what a worker posted on both sides of an upgrade', async () => {
    const probe = await started(direct);
    for (const [sequence, text] of ['old', 'new'].entries()) {
      const payload = await sealed(text);
      const destination = topicOf(recipient.identity);
      const signature = await sender.sign({
        ...{ type: 'worker-message', destination, payload, sequence: BigInt(sequence) },
      });
      const call = { kind: 'sync-offchain-message', worker: sender.identity, destination, payload } as const;
      await direct.submit([{ ...call, sequence: BigInt(sequence), signature }], bob);
      await dev.setStorage([[codeKey, toHex(await readFile(legacyRuntime))]]);
      await dev.newBlock();
    }
    await probe.until(() => probe.deliveries.length === 2);
    assert.deepEqual(probe.texts, ['old', 'new']);
  });

  async function sealed(text: string): Promise<Uint8Array> {
    const key = (await recipient.ecdhKeys())[0]?.publicKey ?? utf8('');
    const genesisHash: Hex = direct.genesisHash;
    const body = { kind: 'data', content: utf8(text) } as const;
    const sentAt = BigInt(Date.now());
    const nonce = sentAt << 20n;
    return sender.seal({ genesisHash, to: recipient.identity, recipientKey: key, nonce, sentAt, body });
  }
});
