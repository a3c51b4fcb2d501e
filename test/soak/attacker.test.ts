import assert from 'node:assert/strict';
import { accountFromSuri, connectChain, type Account, type Chain } from '../../src/chain/index.ts';
import { startDevChain, type DevChain } from '../../src/dev-chain/index.ts';
import { createMemoryVault } from '../../src/vault/index.ts';
import { alice, bob, utf8 } from '../support/entities.ts';
import { Attacker } from './attacker.ts';
import { Random } from './random.ts';
import { Rpc } from './rpc.ts';

/** Blocks come when the test says so. */
const never = 2 ** 31 - 1;

describe('soak: the attacker', () => {
  let dev: DevChain;
  let chain: Chain;
  let attacker: Attacker;
  let rpc: Rpc;
  const vault = createMemoryVault();
  const ended = new AbortController();
  let lost: AbortController;

  before(async () => {
    dev = await startDevChain({ blockTimeMs: never });
    chain = await connectChain({ endpoints: [dev.ws] });
    rpc = new Rpc(dev.ws, ended.signal);
    const contest = (): AbortSignal => lost.signal;
    attacker = new Attacker({ chain, eve: accountFromSuri('//Eve'), rpc, random: new Random(1), contest });
  });

  beforeEach(() => {
    lost = new AbortController();
  });

  after(async () => {
    ended.abort();
    await chain.stop();
    await dev.stop();
  });

  /** The pool has a message of the worker's with its next sequence. */
  async function workerPosts(payer: Account, tip = 0n): Promise<void> {
    const { hash } = await chain.bestHead();
    const sequence = await chain.at(hash).ingressSequence(vault.identity);
    const message = { destination: utf8('soak/own'), payload: utf8('own'), sequence };
    const signature = await vault.sign({ type: 'worker-message', ...message });
    await chain.post([{ kind: 'sync-offchain-message', worker: vault.identity, ...message, signature }], payer, {
      tip,
    });
  }

  /** Topics of what the best block has of messages. */
  async function posted(): Promise<string[]> {
    const messages = await chain.at((await chain.bestHead()).hash).outboundMessages();
    return messages.map(({ destination }) => new TextDecoder().decode(destination));
  }

  it('has a message of its own in a block with the next sequence of a worker, before what that one has in the pool', async () => {
    await workerPosts(bob);
    const attack = await attacker.postAs(vault);
    await dev.newBlock();
    assert.ok(await attack?.isDone());
    assert.deepEqual(await posted(), ['soak/elsewhere']);
  });

  it('has not done what came too late', async () => {
    const attack = (await attacker.postAs(vault))?.isDone();
    // Who pays more is first.
    await workerPosts(alice, 10n ** 10n);
    await dev.newBlock();
    assert.deepEqual(await posted(), ['soak/own']);
    lost.abort();
    assert.equal(await attack, false);
  });
});
