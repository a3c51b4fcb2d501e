import assert from 'node:assert/strict';
import { join } from 'node:path';
import { connectChain } from '../../src/chain/index.ts';
import { decodeEnvelope } from '../../src/codec/index.ts';
import { startDevChain } from '../../src/dev-chain/index.ts';
import { createInbox, type InboxOptions } from '../../src/inbox/index.ts';
import { openLmdbStore } from '../../src/store/index.ts';
import type { Vault } from '../../src/vault/index.ts';
import { Ledger, type RecipientEntry, type SenderEntry } from '../soak/ledger.ts';
import type { PostedMessage } from '../soak/truth.ts';
import { judge } from '../soak/verdict.ts';
import { bundled } from '../support/bundle.ts';
import { startChild, type Child } from '../support/child.ts';
import { alice, registered, temporaryFolder } from '../support/entities.ts';
import { deadLettersOf } from '../support/inbox-probe.ts';
import { until } from '../support/until.ts';
import { consume, lastText } from './crash-consumer.ts';
import { leftIn } from './left-in.ts';
import { Poster } from './support.ts';

/** What an inbox goes on with, and who writes down what it hands out. */
interface Again extends Pick<InboxOptions, 'store'> {
  readonly from: number;
  readonly finality: 'finalized' | 'best';
  readonly ledger: Ledger<RecipientEntry>;
}

/** Steps of a run; a longer run would show. */
const maxSteps = 100;
const lag = 3;
/** Where messages are handed out early one run takes every so many-th step, another run other ones, by the seed. */
const stride = { finalized: 1, best: 3 };
/** The process that goes on after every so many-th is killed as well, … */
const secondDeathEach = 4;
/** … within its first so many steps. */
const earlySteps = 12;

describe('inbox: kill -9', function () {
  this.timeout(600_000);

  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let program: string;
  const children: Child[] = [];
  let isOver: boolean;
  const open: AsyncDisposable[] = [];

  before(async () => {
    folder = await temporaryFolder();
    program = await bundled(new URL('inbox-child.ts', import.meta.url));
  });

  beforeEach(() => {
    isOver = false;
  });

  afterEach(async () => {
    isOver = true;
    await Promise.all(children.splice(0).map((child) => child.kill()));
    for (const resource of open.splice(0).reverse()) await resource[Symbol.asyncDispose]();
  });

  after(() => folder.remove());

  /** A chain of its own, since it goes back on it. */
  async function startPlace(name: string) {
    const dev = await startDevChain({ finalityLag: lag });
    const chain = await connectChain({ endpoints: [dev.ws] });
    open.push(dev, chain);
    const [sender, recipient] = (await registered(chain, folder.path, [`${name}-s`, `${name}-r`])) as [Vault, Vault];
    await dev.newBlock({ count: lag, empty: true });
    return { name, dev, chain, recipient, poster: await Poster.of(chain, sender, recipient) };
  }

  type Place = Awaited<ReturnType<typeof startPlace>>;

  /**
   * Two messages, of which a reorg brings one into another block, with garbage before it, and the other nowhere; then a last
   * one, and all of that is final. `isRead` resolves when the reorg may come.
   */
  async function play({ dev, poster, recipient }: Place, isRead: () => Promise<unknown>): Promise<SenderEntry[]> {
    const texts = ['moved', 'gone', lastText];
    const [moved, gone, last] = [
      await poster.sealed(recipient, 'moved'),
      await poster.sealed(recipient, 'gone'),
      await poster.sealed(recipient, lastText),
    ];
    const { number } = dev.head;
    await poster.post(recipient, moved);
    await poster.post(recipient, gone);
    await isRead();
    await dev.reorg(number, { resubmit: false });
    await poster.post(recipient, moved.slice(0, -1));
    await poster.post(recipient, moved);
    await poster.post(recipient, last);
    await dev.newBlock({ count: lag + 1, empty: true });
    return [
      ...texts.map((text) => ({ event: 'meant', to: recipient.identity, text }) as const),
      { event: 'queued', text: 'moved', nonce: nonceOf(moved) },
      { event: 'queued', text: lastText, nonce: nonceOf(last) },
    ];
  }

  /** Messages in final blocks from one on. */
  async function postedSince({ chain, recipient }: Place, first: number): Promise<PostedMessage[]> {
    const posted: PostedMessage[] = [];
    const { number } = await chain.finalizedHead();
    for (let block = first; block <= number; block++) {
      const head = await chain.headAt(block);
      for (const { sender, payload } of head === undefined ? [] : await chain.at(head.hash).outboundMessages())
        posted.push({
          ...{ block, payload, to: recipient.identity, nonce: BigInt(nonceOf(payload)) },
          sender: sender.kind === 'other' ? sender.name : `${sender.kind} ${sender.id}`,
        });
    }
    return posted;
  }

  /** Nothing may come to it. */
  async function startOnceMore({ chain, recipient }: Place, { ledger, ...options }: Again): Promise<void> {
    ledger.add({ event: 'at-rest' });
    const inbox = createInbox({ chain, vault: recipient, ...options });
    const consuming = consume(inbox, ledger);
    await inbox.start();
    await inbox.ready;
    await inbox.stop();
    await consuming.isDone();
  }

  const seed = Number(process.env['KHALA_RELAY_SEED'] ?? Date.now() % 2 ** 31);
  for (const finality of ['finalized', 'best'] as const)
    it(`at ${stride[finality] === 1 ? 'any step' : `one step of ${stride[finality]}`}, of reading and of its consumer, each message is delivered once and in order after a restart (${finality}, KHALA_RELAY_SEED=${seed})`, async () => {
      let steps = seed % stride[finality];
      const lane = async (place: Place): Promise<void> => {
        const { name, dev, chain, recipient } = place;
        const pathOf = (step: number): string => join(folder.path, `${name}-${step}`);
        const start = (step: number, killStep: number): Child => {
          const paths = [join(folder.path, `${name}-r`), pathOf(step), `${pathOf(step)}-ledger`];
          // One lane goes on where the other has failed.
          assert.ok(!isOver, 'the test is over');
          const child = startChild(program, dev.ws, ...paths, String(killStep), finality);
          children.push(child);
          return child;
        };
        const startNext = () => {
          const step = steps;
          steps += stride[finality];
          assert.ok(step < maxSteps, 'it comes to an end');
          return { step, child: start(step, step) };
        };
        let next = startNext();
        for (let isDone = false; !isDone;) {
          const { step, child } = next;
          next = startNext();
          const from = dev.finalized.number;
          const ledger = new Ledger<RecipientEntry>(`${pathOf(step)}-ledger`);
          const isRead = () =>
            finality === 'finalized' ||
            until(() => ledger.entries().some((entry) => entry.event === 'delivered' && entry.text === 'gone'));
          /** Whether the first process came to its end. */
          const live = async (): Promise<boolean> => {
            child.goOn(String(from));
            const isWhole = (await child.exit) === 0;
            if (step % secondDeathEach === 0) {
              const second = start(step, (step * 5) % earlySteps);
              second.goOn(String(from));
              await second.exit;
            }
            const store = await openLmdbStore({ path: pathOf(step) });
            const inbox = createInbox({ chain, vault: recipient, store, from, finality });
            await inbox.start();
            const consuming = consume(inbox, ledger);
            await consuming.over;
            await until(async () => (await leftIn(store, dev.finalized.number)).length === 0);
            await inbox.stop();
            await consuming.isDone();
            await startOnceMore(place, { store, from, finality, ledger });
            assert.equal((await deadLettersOf(store)).length, 1, `dead letters, killed at step ${step}`);
            await store.close();
            return isWhole;
          };
          const [entries, isWhole] = await Promise.all([play(place, async () => isRead()), live()]);
          isDone = isWhole;
          const { broken } = judge({
            senders: [{ id: `account ${alice.id}`, entries }],
            recipients: [{ id: recipient.identity, finality, entries: ledger.entries() }],
            posted: await postedSince(place, from),
          });
          assert.deepEqual(broken, [], `killed at step ${step}`);
        }
      };
      await Promise.all([await startPlace(`${finality}-1`), await startPlace(`${finality}-2`)].map(lane));
    });
});

/** 0 for what is no envelope. */
function nonceOf(payload: Uint8Array): string {
  try {
    const envelope = decodeEnvelope(payload);
    return envelope.suite === 'v1' ? String(envelope.header.nonce) : '0';
  } catch {
    return '0';
  }
}
