import assert from 'node:assert/strict';
import { after, before, describe, it } from 'mocha';
import { connectChain } from '../../src/chain/index.ts';
import { toHex } from '../../src/codec/index.ts';
import { startDevChain, type DevChain } from '../../src/dev-chain/index.ts';
import { Random } from '../soak/random.ts';
import { newVault } from '../support/entities.ts';
import { bundled } from '../support/bundle.ts';
import { startChild } from '../support/child.ts';
import { freePort } from '../support/free-port.ts';
import { until } from '../support/until.ts';
import { Conversations } from './conversation.ts';
import type { RelayChildOptions } from './relay-child.ts';
import { Cleanup } from './support.ts';

const script = new URL('client-child.ts', import.meta.url);
const relayScript = new URL('relay-child.ts', import.meta.url);

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

  const seed = Number(process.env['KHALA_RELAY_SEED'] ?? Date.now() % 2 ** 31);
  it(`killed at random, and its relay too, delivers all that it had queued, each once (KHALA_RELAY_SEED=${seed})`, async () => {
    const random = new Random(seed);
    const worker = talk.party();
    const { identity } = worker.vault;
    const folder = await cleanup.folder();
    await (await newVault(folder, 'vault')).close();
    const mail = await cleanup.folder();
    const options: RelayChildOptions = { genesisHash: talk.genesisHash, recipient: identity };
    const port = await freePort();
    const relayProgram = await bundled(relayScript);
    const startRelay = async () => {
      const child = startChild(relayProgram, mail, String(port), JSON.stringify(options));
      cleanup.add(child, () => child.kill());
      return { child, url: await child.line() };
    };
    let relay = await startRelay();
    const { url } = relay;
    const texts = await talk.texts(worker, url);
    const [key] = await worker.vault.ecdhKeys();
    const ecdh = toHex(key?.publicKey ?? new Uint8Array());
    const program = await bundled(script);
    const sender = (first: number, count: number) =>
      startChild(program, node.ws, folder, identity, ecdh, url.replace('http', 'ws'), String(first), String(count));

    const queued: number[] = [];
    const rounds = 3;
    // One of them at least, at any point of it.
    const roundOfRelay = random.below(rounds);
    for (let round = 0; round < rounds; round++) {
      const child = sender(round * 1_000, 1_000);
      const take = async (count: number): Promise<void> => {
        for (let n = 0; n < count; n++) queued.push(Number(await child.line()));
      };
      await take(random.between(1, 20));
      const isRelayKilled = round === roundOfRelay || random.below(2) === 0;
      if (isRelayKilled) await relay.child.kill();
      await take(random.below(20));
      await child.kill();
      for (const line of await child.rest()) queued.push(Number(line));
      if (isRelayKilled) relay = await startRelay();
    }
    const last = sender(rounds * 1_000, 1);
    queued.push(Number(await last.line()));
    assert.equal(await last.line(), 'drained');
    assert.equal(await last.exit, 0);
    await until(() => queued.every((n) => texts.includes(`mail ${n}`)));
    assert.equal(new Set(texts).size, texts.length);
    // One that was queued when the process died may have had no time to say so.
    assert.ok(texts.length - queued.length <= rounds, `${texts.length} of ${queued.length}`);
  }).timeout(240_000);
});
