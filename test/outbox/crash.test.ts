import assert from 'node:assert/strict';
import { join } from 'node:path';
import { connectChain, type Chain } from '../../src/chain/index.ts';
import { toHex } from '../../src/codec/index.ts';
import { startDevChain, type DevChain } from '../../src/dev-chain/index.ts';
import { createOutbox } from '../../src/outbox/index.ts';
import { openLmdbStore, type TransactionalStore } from '../../src/store/index.ts';
import type { Vault } from '../../src/vault/index.ts';
import { bundled } from '../support/bundle.ts';
import { startChild, type Child } from '../support/child.ts';
import { postedNonces } from '../support/posted-nonces.ts';
import { alice, directoryOf, registered, temporaryFolder, utf8 } from '../support/entities.ts';

/** Steps of a run from queue to finality; a longer run would show. */
const maxSteps = 40;

describe('outbox: kill -9', function () {
  this.timeout(300_000);

  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let dev: DevChain;
  let chain: Chain;
  let sender: Vault;
  let recipient: Vault;
  let program: string;
  const children: Child[] = [];

  before(async () => {
    folder = await temporaryFolder();
    dev = await startDevChain({ blockTimeMs: 150, finalityLag: 1 });
    chain = await connectChain({ endpoints: [dev.ws] });
    [sender, recipient] = (await registered(chain, folder.path, ['a', 'b'])) as [Vault, Vault];
    program = await bundled(new URL('outbox-child.ts', import.meta.url), folder.path);
  });

  afterEach(() => Promise.all(children.splice(0).map((child) => child.kill())));

  after(async () => {
    await chain.stop();
    await dev.stop();
    await folder.remove();
  });

  /** Queues messages, without anything that posts them. Gives their nonces. */
  async function queue(
    store: TransactionalStore,
    as: 'worker' | 'account',
    texts: readonly string[],
  ): Promise<bigint[]> {
    const directory = await directoryOf(recipient);
    await using box = createOutbox({ chain, vault: sender, store, directory, account: alice });
    const nonces: bigint[] = [];
    for (const text of texts)
      nonces.push((await box.send({ to: recipient.identity, body: { kind: 'data', content: utf8(text) }, as })).nonce);
    return nonces;
  }

  for (const as of ['worker', 'account'] as const)
    it(`at any step posts each message of a ${as} once, in order, after a restart`, async () => {
      const key = toHex((await recipient.ecdhKeys())[0]?.publicKey ?? utf8(''));
      const pathOf = (step: number): string => join(folder.path, `${as}-${step}`);
      /** Gets ready to be killed at that step, and waits. */
      const start = (step: number): Child => {
        const args = [dev.ws, join(folder.path, 'a'), pathOf(step), recipient.identity, key, String(step)];
        const child = startChild(program, ...args);
        children.push(child);
        return child;
      };
      let next = start(0);
      let isDone = false;
      for (let step = 0; !isDone; step++) {
        assert.ok(step < maxSteps, 'it comes to an end');
        const path = pathOf(step);
        const killed = next;
        next = start(step + 1);
        const first = (await chain.bestHead()).number + 1;
        const store = await openLmdbStore({ path });
        const nonces = await queue(store, as, ['one', 'two', 'three']);
        await store.close();
        killed.goOn();
        isDone = (await killed.exit) === 0;
        const reopened = await openLmdbStore({ path });
        const directory = await directoryOf(recipient);
        await using box = createOutbox({ chain, vault: sender, store: reopened, directory, account: alice });
        await box.start();
        for (let sendId = 0n; sendId < 3n; sendId++) await (await box.receipt(sendId))?.reached('finalized');
        await box.stop();
        await reopened.close();
        assert.deepEqual(await postedNonces(chain, recipient, first), nonces, `killed at step ${step}`);
      }
    });
});
