import assert from 'node:assert/strict';
import { ready } from '../../src/crypto/index.ts';
import { createOutbox, openOutboxQueue, type Outbox } from '../../src/outbox/index.ts';
import { ChainStore } from '../../src/outbox/chain-store.ts';
import { OutboxStore } from '../../src/outbox/outbox-store.ts';
import { createMemoryVault } from '../../src/vault/index.ts';
import { alice, directoryOf, utf8 } from '../support/entities.ts';
import { Lives } from '../support/simulation/lives.ts';
import { simulatedEra } from '../support/simulation/simulated-chain.ts';

const topic = utf8('commands');

describe('outbox: fillers before a command whose sequence is behind what was given up', () => {
  let lives: Lives;
  let outbox: Outbox;
  const recipient = createMemoryVault();
  const lasting = (): Promise<void> => settled(() => Promise.resolve());

  before(ready);
  beforeEach(async () => {
    const vault = createMemoryVault();
    const directory = await directoryOf(recipient);
    lives = new Lives(undefined, ({ chain, store }) => {
      outbox = createOutbox({ chain, store, vault, directory, account: alice });
      void outbox.start();
    });
    await lives.start();
  });
  afterEach(() => {
    lives.end();
  });

  async function settled(work: () => Promise<unknown>): Promise<void> {
    void work();
    await lives.settle();
  }

  /** All are signed, and their extrinsics are gone; then the messages before the command are given up, while nobody works on the queue. */
  async function withGap(messages: number): Promise<void> {
    await lives.build(true);
    for (let n = 0; n < messages; n++)
      await settled(() =>
        outbox.send({ to: recipient.identity, body: { kind: 'data', content: utf8(`${n}`) }, via: 'chain' }),
      );
    const [key] = await recipient.ecdhKeys();
    const recipientKey = key?.publicKey ?? new Uint8Array();
    await settled(() => outbox.send({ suite: 'phala', topic, content: utf8('command'), recipientKey }));
    while (lives.chain.pool.size > 0) await lives.build(false);
    await lives.reorg(4, false);
    await lives.stayAway(true);
    lives.chain.pool.clear();
    for (let n = 0; n <= simulatedEra; n++) await lives.build(true);
    await lives.finalize(0);
    for (let n = 0; n < messages; n++) await openOutboxQueue(lives.disk).cancel(BigInt(n), { giveUp: true });
  }

  async function commands(): Promise<number> {
    for (let n = 0; n < 2 * simulatedEra; n++) {
      await lives.build(false);
      await lives.finalize(0);
      await lasting();
    }
    let count = 0;
    for (let number = 1; number <= lives.chain.finalized.head.number; number++)
      for (const { destination } of lives.chain.at(number)?.messages ?? [])
        if (Buffer.from(topic).equals(destination)) count += 1;
    return count;
  }

  it('are halved before the command fails, where their extrinsic is too large', async () => {
    await withGap(1);
    lives.line.refuses = 'extrinsic-too-large';
    await lives.stayAway(false);
    assert.equal(await commands(), 1);
  });

  it('have an extrinsic of their own each time, also for the same sequences', async () => {
    await withGap(5);
    lives.chain.isFiltering = true;
    await lives.stayAway(false);
    await lives.build(false);
    const flights = await new ChainStore(new OutboxStore(lives.disk)).flights();
    assert.equal(new Set(flights.map(({ extrinsic }) => extrinsic.hash)).size, 2, 'one in a block, one under way');
    lives.chain.isFiltering = false;
    assert.equal(await commands(), 1);
  });
});
