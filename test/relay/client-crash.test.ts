import assert from 'node:assert/strict';
import { after, before, describe, it } from 'mocha';
import { connectChain } from '../../src/chain/index.ts';
import { toHex } from '../../src/codec/index.ts';
import { startDevChain, type DevChain } from '../../src/dev-chain/index.ts';
import { newVault } from '../support/entities.ts';
import { startChild } from '../support/child.ts';
import { until } from '../support/until.ts';
import { Conversations } from './conversation.ts';
import { Cleanup } from './support.ts';

const script = new URL('client-child.ts', import.meta.url);

describe('relay client with a durable queue', () => {
  const cleanup = new Cleanup();
  const talk = new Conversations(cleanup);
  let node: DevChain;
  before(async () => {
    node = await startDevChain();
    talk.chain = await connectChain({ endpoints: [node.ws] });
  });
  after(async () => {
    await cleanup.run();
    await talk.chain.stop();
    await node.stop();
  });

  it('killed again and again, and its relay too, delivers all that it had queued, each once', async () => {
    const worker = talk.party();
    const { identity } = worker.vault;
    const folder = await cleanup.folder();
    await (await newVault(folder, 'vault')).close();
    const mailStore = await cleanup.store();
    const options = { genesisHash: talk.genesisHash, recipients: [identity], mailStore };
    let relay = await cleanup.relay(options);
    const { url } = relay;
    const texts = await talk.texts(worker, url);
    const [key] = await worker.vault.ecdhKeys();
    const ecdh = toHex(key?.publicKey ?? new Uint8Array());
    const sender = (first: number, count: number) =>
      startChild(script, node.ws, folder, identity, ecdh, url.replace('http', 'ws'), String(first), String(count));

    const queued: number[] = [];
    let next = 0;
    for (let round = 0; round < 3; round++) {
      const child = sender(next, 1_000);
      const kill = round * 7 + 5;
      for (let n = 0; n < kill; n++) queued.push(Number(await child.line()));
      // The relay is away when the client dies, every other time.
      if (round % 2 === 1) await relay.stop();
      for (let n = 0; n < 3; n++) queued.push(Number(await child.line()));
      await child.kill();
      for (const line of await child.rest()) queued.push(Number(line));
      next += 1_000;
      if (round % 2 === 1) relay = await cleanup.relay({ ...options, listen: { port: Number(new URL(url).port) } });
    }
    const last = sender(next, 1);
    queued.push(Number(await last.line()));
    assert.equal(await last.line(), 'drained');
    assert.equal(await last.exit, 0);
    await until(() => queued.every((n) => texts.includes(`mail ${n}`)));
    await until(async () => (await relay.mailStore.stats(identity)).count === 0);
    assert.equal(new Set(texts).size, texts.length);
    // One that was queued when the process died may have had no time to say so.
    assert.ok(texts.length - queued.length <= 3, `${texts.length} of ${queued.length}`);
  }).timeout(240_000);
});
