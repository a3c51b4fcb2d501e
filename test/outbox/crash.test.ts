import assert from 'node:assert/strict';
import { join } from 'node:path';
import { accountFromSuri, connectChain, type Account, type Chain } from '../../src/chain/index.ts';
import { equalBytes, toHex } from '../../src/codec/index.ts';
import { startDevChain, type DevChain } from '../../src/dev-chain/index.ts';
import { createOutbox, openOutboxQueue, type OutboxEntry } from '../../src/outbox/index.ts';
import { openLmdbStore, type TransactionalStore } from '../../src/store/index.ts';
import type { Vault } from '../../src/vault/index.ts';
import { bundled } from '../support/bundle.ts';
import { startChild, type Child } from '../support/child.ts';
import { postedNonces } from '../support/posted-nonces.ts';
import { directoryOf, registered, temporaryFolder, utf8 } from '../support/entities.ts';
import { currentKey } from '../support/vaults.ts';
import { finishAll, retryFailed } from './finish-all.ts';

/** Steps of a run from queue to finality; a longer run would show. */
const maxSteps = 100;
/** The process that goes on after every so many-th is killed as well, … */
const secondDeathEach = 4;
/** … within its first so many steps. */
const earlySteps = 12;
/** Who sends at the same time, each for itself: most of a step is waiting for blocks, and for processes to start. */
const suris = ['//Alice', '//Bob', '//Charlie'] as const;
/** Who pay for what other software of theirs posts. */
const rivals = ['//Dave', '//Eve', '//Ferdie'] as const;

interface Sender {
  /** Of the vault's file. */
  readonly name: string;
  readonly vault: Vault;
  readonly suri: string;
  /** Of another account. */
  readonly rival: string;
  readonly account: Account;
}

describe('outbox: kill -9', function () {
  this.timeout(600_000);

  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let dev: DevChain;
  let chain: Chain;
  let senders: readonly Sender[];
  let recipient: Vault;
  let program: string;
  const children: Child[] = [];

  before(async () => {
    folder = await temporaryFolder();
    dev = await startDevChain({ blockTimeMs: 150, finalityLag: 1 });
    chain = await connectChain({ endpoints: [dev.ws] });
    [recipient] = (await registered(chain, folder.path, ['recipient'])) as [Vault];
    const names = suris.map((_, i) => `sender-${i}`);
    const vaults = await registered(chain, folder.path, names);
    senders = suris.map((suri, i) => ({
      ...{ name: names[i] ?? '', vault: vaults[i] ?? recipient, suri, rival: rivals[i] ?? suri },
      account: accountFromSuri(suri),
    }));
    program = await bundled(new URL('outbox-child.ts', import.meta.url));
  });

  afterEach(() => Promise.all(children.splice(0).map((child) => child.kill())));

  after(async () => {
    await chain.stop();
    await dev.stop();
    await folder.remove();
  });

  /** Queues messages, and a command to a topic, without anything that posts them. */
  async function queue(
    store: TransactionalStore,
    { vault, account }: Sender,
    as: 'worker' | 'account',
    { texts, topic }: { readonly texts: readonly string[]; readonly topic: Uint8Array },
  ): Promise<void> {
    const directory = await directoryOf(recipient);
    const recipientKey = await currentKey(recipient);
    await using box = createOutbox({ chain, vault, store, directory, account });
    for (const text of texts)
      await box.send({ to: recipient.identity, body: { kind: 'data', content: utf8(text) }, as });
    await box.send({ suite: 'phala', topic, recipientKey, content: utf8('command'), as });
  }

  /** How often something was posted to a topic since a block. */
  async function postingsTo(topic: Uint8Array, first: number): Promise<number> {
    const { number } = await chain.bestHead();
    let times = 0;
    for (let block = first; block <= number; block++) {
      const head = await chain.headAt(block);
      const posted = head === undefined ? [] : await chain.at(head.hash).outboundMessages();
      times += posted.filter(({ destination }) => equalBytes(destination, topic)).length;
    }
    return times;
  }

  interface Manner {
    readonly name: string;
    readonly as: 'worker' | 'account';
    /** What else goes wrong meanwhile: a node refuses an extrinsic, and the worker's other software uses its next sequence. */
    readonly isContested?: true;
  }

  /** One step after the other, until a process comes to its end: so it would at any later one. */
  async function killAtEach({ name: manner, as, isContested }: Manner): Promise<void> {
    const key = toHex(await currentKey(recipient));
    let steps = 0;
    const pathOf = (step: number): string => join(folder.path, `${manner}-${step}`);
    const start = ({ name, suri, rival }: Sender, step: number, killStep: number, text: string): Child => {
      const ids = [dev.ws, join(folder.path, name), pathOf(step), recipient.identity, key];
      const more = isContested ? [rival] : [];
      const child = startChild(program, ...ids, String(killStep), suri, as, text, ...more);
      children.push(child);
      return child;
    };
    /** Gets ready to be killed at the next step, and waits. */
    const startNext = (sender: Sender): { readonly child: Child; readonly step: number } => {
      const step = steps;
      // Some before a commit, some after one.
      steps += isContested ? 3 : 1;
      assert.ok(step < maxSteps, 'it comes to an end');
      return { child: start(sender, step, step, 'four'), step };
    };
    const lane = async (sender: Sender): Promise<void> => {
      let next = startNext(sender);
      for (let isDone = false; !isDone;) {
        const { child: killed, step } = next;
        next = startNext(sender);
        const path = pathOf(step);
        const first = (await chain.bestHead()).number + 1;
        const store = await openLmdbStore({ path });
        const topic = utf8(`crash/commands/${manner}/${step}`);
        await queue(store, sender, as, { texts: ['one', 'two', 'three'], topic });
        await store.close();
        killed.goOn();
        isDone = (await killed.exit) === 0;
        if (step % secondDeathEach === 0) {
          const second = start(sender, step, (step * 5) % earlySteps, '');
          second.goOn();
          await second.exit;
        }
        const reopened = await openLmdbStore({ path });
        const queued: OutboxEntry[] = [];
        for await (const entry of openOutboxQueue(reopened).entries()) queued.push(entry);
        const nonces = queued.flatMap(({ suite, nonce }) => (suite === 'v1' ? [nonce] : []));
        const isFourthQueued = (await killed.rest()).includes('queued');
        assert.ok(nonces.length === 4 || (nonces.length === 3 && !isFourthQueued), `killed at step ${step}`);
        const directory = await directoryOf(recipient);
        const { vault, account } = sender;
        await using box = createOutbox({ chain, vault, store: reopened, directory, account });
        await retryFailed(box);
        await box.start();
        await finishAll(box);
        await box.stop();
        await reopened.close();
        const posted = await postedNonces(chain, recipient, first);
        const own = posted.filter((nonce) => nonces.includes(nonce));
        assert.deepEqual(own, nonces, `killed at step ${step}`);
        assert.equal(await postingsTo(topic, first), 1, `the command, killed at step ${step}`);
      }
    };
    await Promise.all(senders.map(lane));
  }

  for (const as of ['worker', 'account'] as const)
    it(`at any step, of send and of posting, each message of a ${as} that was queued is posted once, in order, after a restart, and a command too`, () =>
      killAtEach({ name: as, as }));

  it('at many a step, also where a node refused what is tried again, and other software of the worker used its next sequence', () =>
    killAtEach({ name: 'contested', as: 'worker', isContested: true }));
});
