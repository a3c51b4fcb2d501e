import assert from 'node:assert/strict';
import { join } from 'node:path';
import fc from 'fast-check';
import { connectChain, type Call, type Chain } from '../../src/chain/index.ts';
import { sealMessage } from '../../src/channel/index.ts';
import { startDevChain, type DevChain } from '../../src/dev-chain/index.ts';
import { createInbox, type Inbox } from '../../src/inbox/index.ts';
import { createOutbox } from '../../src/outbox/index.ts';
import { registerEntity, rotateEntity } from '../../src/presence/index.ts';
import { endpointCall } from '../../src/presence/publish.ts';
import { openLmdbStore, type TransactionalStore } from '../../src/store/index.ts';
import { openVault, type Vault } from '../../src/vault/index.ts';
import { readWorker } from '../../src/worker-state/index.ts';
import { alice, bob, newVault, temporaryFolder, utf8 } from '../support/entities.ts';
import { deadLettersOf, InboxProbe } from '../support/inbox-probe.ts';

const passphrase = 'correct horse';
/** More for a long run: KHALA_RELAY_RUNS=100 npx mocha test/presence/rotation.property.test.ts */
const numRuns = Number(process.env['KHALA_RELAY_RUNS'] ?? 4);

/** One thing that happens; `held` is how many steps later an off-chain message arrives. */
type Step =
  | { readonly do: 'send on chain' | 'rotate' | 'crash while rotating' | 'restart' | 'replay' | 'erase' }
  | { readonly do: 'send off chain'; readonly held: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('send off chain' as const), held: fc.nat(6) }) },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constantFrom('send on chain', 'rotate', 'crash while rotating', 'restart', 'replay', 'erase'),
    }),
  },
);

/** A recipient that rotates, crashes and restarts, a sender, and somebody who replays what the recipient once published. */
class World implements AsyncDisposable {
  readonly sent: string[] = [];
  readonly received: string[] = [];
  readonly #chain: Chain;
  readonly #folder: string;
  readonly #published: Call[] = [];
  readonly #held: { due: number; envelope: Uint8Array }[] = [];
  #sender!: { vault: Vault; store: TransactionalStore };
  #recipient!: { vault: Vault; store: TransactionalStore; inbox: Inbox; probe: InboxProbe };
  #highest = 0;
  #steps = 0;

  private constructor(chain: Chain, folder: string) {
    this.#chain = chain;
    this.#folder = folder;
  }

  static async make(chain: Chain, folder: string, name: string): Promise<World> {
    const world = new World(chain, join(folder, name));
    const [sender, recipient] = [await newVault(folder, `${name}-a`), await newVault(folder, `${name}-b`)];
    for (const vault of [sender, recipient])
      await registerEntity({ chain, vault, account: alice }, ['https://x.example']);
    await recipient.close();
    world.#sender = { vault: sender, store: await openLmdbStore({ path: join(folder, `${name}-a-store`) }) };
    await world.#start();
    return world;
  }

  async take(step: Step): Promise<void> {
    this.#steps += 1;
    if (step.do === 'send on chain') await this.#sendOnChain();
    else if (step.do === 'send off chain') await this.#sendOffChain(step.held);
    else if (step.do === 'rotate') await this.#rotate();
    else if (step.do === 'crash while rotating') await this.#recipient.vault.rotate();
    else if (step.do === 'restart') await this.#restart();
    else if (step.do === 'replay') await this.#replay();
    // Nothing was retired so long ago.
    else await this.#recipient.vault.erase({ retiredBefore: Date.now() - 86_400_000 });
    await this.#arrive(this.#steps);
    await this.#checkDirectory();
  }

  async finish(): Promise<void> {
    await this.#restart();
    await this.#arrive(Infinity);
    await this.#recipient.probe.until(
      () => this.received.length + this.#recipient.probe.texts.length >= this.sent.length,
    );
    this.received.push(...this.#recipient.probe.texts);
    assert.deepEqual(this.received.sort(), this.sent.sort());
    assert.deepEqual(await deadLettersOf(this.#recipient.store), []);
  }

  async #sendOnChain(): Promise<void> {
    const text = `on chain ${this.#steps}`;
    await using outbox = createOutbox({ ...(await this.#sending()), chain: this.#chain, account: bob });
    await outbox.start();
    const receipt = await outbox.send({
      to: this.#recipient.vault.identity,
      body: { kind: 'data', content: utf8(text) },
      as: 'worker',
    });
    await receipt.reached('inBlock');
    this.sent.push(text);
  }

  /** Sealed now, and on its way for a while. */
  async #sendOffChain(held: number): Promise<void> {
    const text = `off chain ${this.#steps}`;
    const body = { kind: 'data', content: utf8(text) } as const;
    const { envelope } = await sealMessage(await this.#sending(), { to: this.#recipient.vault.identity, body });
    this.#held.push({ due: this.#steps + held, envelope });
    this.sent.push(text);
  }

  async #arrive(now: number): Promise<void> {
    for (const message of [...this.#held]) {
      if (message.due > now) continue;
      this.#held.splice(this.#held.indexOf(message), 1);
      await this.#recipient.inbox.accept(message.envelope);
      // Its relay did not hear the answer.
      await this.#recipient.inbox.accept(message.envelope);
    }
  }

  async #rotate(): Promise<void> {
    const { vault } = this.#recipient;
    const { epoch } = await rotateEntity({ chain: this.#chain, vault, account: bob });
    this.#published.push(
      await endpointCall({ chain: this.#chain, vault, account: bob }, [`https://${epoch}.example`], epoch),
    );
  }

  async #replay(): Promise<void> {
    const old = this.#published[this.#steps % Math.max(1, this.#published.length)];
    if (old !== undefined) await this.#chain.submit([old], alice);
  }

  async #restart(): Promise<void> {
    const { inbox, probe, vault, store } = this.#recipient;
    await inbox[Symbol.asyncDispose]();
    probe.stop();
    this.received.push(...probe.texts);
    await vault.close();
    await store.close();
    await this.#start();
  }

  async #start(): Promise<void> {
    const vault = await openVault({ path: `${this.#folder}-b`, passphrase });
    const store = await openLmdbStore({ path: `${this.#folder}-b-store` });
    const inbox = createInbox({ chain: this.#chain, vault, store });
    const probe = new InboxProbe(inbox);
    this.#recipient = { vault, store, inbox, probe };
    await inbox.start();
    await inbox.ready;
  }

  async #sending() {
    const { vault, store } = this.#sender;
    const worker = await readWorker(this.#chain, this.#recipient.vault.identity, { store });
    assert.ok(worker !== undefined);
    return { vault, store, genesisHash: this.#chain.genesisHash, directory: { get: () => worker } };
  }

  /** Whoever keeps what was seen is never led back to an older epoch. */
  async #checkDirectory(): Promise<void> {
    const { directory } = await this.#sending();
    const { epoch } = directory.get().current;
    assert.ok(epoch >= this.#highest, `led back from ${this.#highest} to ${epoch}`);
    this.#highest = epoch;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { inbox, probe, vault, store } = this.#recipient;
    probe.stop();
    await inbox[Symbol.asyncDispose]();
    await Promise.all([vault.close(), store.close(), this.#sender.vault.close(), this.#sender.store.close()]);
  }
}

describe('rotation', function () {
  this.timeout(60_000 * Math.max(1, numRuns / 4));
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let dev: DevChain;
  let chain: Chain;
  let worlds = 0;

  before(async () => {
    folder = await temporaryFolder();
    dev = await startDevChain();
    chain = await connectChain({ endpoints: [dev.ws] });
  });
  after(async () => {
    await chain.stop();
    await dev.stop();
    await folder.remove();
  });

  it('loses no message, doubles none and leads nobody back, whatever comes in whatever order', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 8, maxLength: 24 }), async (steps) => {
        await using world = await World.make(chain, folder.path, `world-${worlds++}`);
        for (const each of steps) await world.take(each);
        await world.finish();
      }),
      { numRuns, endOnFailure: true },
    );
  });
});
