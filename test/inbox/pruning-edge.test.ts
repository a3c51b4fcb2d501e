import assert from 'node:assert/strict';
import { connectChain, type Chain } from '../../src/chain/index.ts';
import { startDevChain, type DevChain } from '../../src/dev-chain/index.ts';
import { isRelayError } from '../../src/errors/index.ts';
import { createInbox, type InboxOptions } from '../../src/inbox/index.ts';
import { openMemoryStore, type TransactionalStore } from '../../src/store/index.ts';
import type { Vault } from '../../src/vault/index.ts';
import { registered, temporaryFolder } from '../support/entities.ts';
import { ForgetfulNode, runsOf } from '../support/forgetful-node.ts';
import { InboxProbe } from '../support/inbox-probe.ts';
import { Poster } from './support.ts';

/** Most of one frame are 64. */
const blocks = 200;
const each = 7;

describe('inbox: at the edge of what a node keeps', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let dev: DevChain;
  let direct: Chain;
  let poster: Poster;
  let recipient: Vault;
  let node: ForgetfulNode;
  let store: TransactionalStore;
  let first: number;
  let last: number;
  /** Texts of messages by their blocks. */
  const posted = new Map<number, string>();
  const open: AsyncDisposable[] = [];

  before(async () => {
    folder = await temporaryFolder();
    dev = await startDevChain();
    direct = await connectChain({ endpoints: [dev.ws] });
    const [sender, to] = (await registered(direct, folder.path, ['a', 'b'])) as [Vault, Vault];
    recipient = to;
    poster = await Poster.of(direct, sender, recipient);
    first = dev.head.number + 1;
    while (dev.head.number < first + blocks) {
      await post();
      await dev.newBlock({ count: each - 1 });
    }
  });

  beforeEach(async () => {
    last = dev.head.number;
    store = openMemoryStore();
    node = await ForgetfulNode.start(dev, direct, first);
    open.push(node);
  });

  afterEach(async () => {
    for (const resource of open.splice(0).reverse()) await resource[Symbol.asyncDispose]();
  });

  after(async () => {
    await direct.stop();
    await dev.stop();
    await folder.remove();
  });

  async function post(): Promise<void> {
    const text = `${posted.size + 1}`;
    posted.set((await poster.send(recipient, text)).blockNumber, text);
  }

  async function started(options: Partial<InboxOptions>): Promise<InboxProbe> {
    const chain = await connectChain({ endpoints: [node.ws] });
    const inbox = createInbox({ chain, vault: recipient, store, from: first, ...options });
    open.push(chain, inbox);
    await inbox.start();
    return new InboxProbe(inbox);
  }

  /** What an inbox tells of all blocks, in order, where these are gone. */
  function expected(gone: ReadonlySet<number>): unknown[] {
    const gaps = new Map(runsOf(gone).map(([from, to]) => [from, { type: 'gap', first: from, last: to }]));
    const told: unknown[] = [];
    for (let number = first; number <= dev.head.number; number++) {
      if (gaps.has(number)) told.push(gaps.get(number));
      if (!gone.has(number) && posted.has(number)) told.push(posted.get(number));
    }
    return told;
  }

  const toldBy = ({ events, texts }: InboxProbe): unknown[] => {
    const left = texts.values();
    return events.map((event) => (event.type === 'message' ? left.next().value : event));
  };

  const span = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, i) => from + i);

  interface Case {
    readonly what: string;
    readonly gone: () => number[];
    /** The node gives each block once: when others come it has forgotten it. */
    readonly once?: boolean;
  }

  const cases: readonly Case[] = [
    {
      what: 'runs of forgotten blocks with others between them',
      gone: () => [...span(first + 3, first + 9), ...span(first + 60, first + 70), ...span(first + 72, first + 160)],
    },
    { what: 'forgotten blocks up to the newest', gone: () => [first, ...span(last - 20, last)] },
    { what: 'an edge that moves on while it reads', gone: () => span(first, first + 40), once: true },
  ];

  for (const { what, gone, once = false } of cases)
    for (const verify of [true, false])
      describe(`${what}, ${verify ? 'with' : 'without'} proofs`, () => {
        let missing: Set<number>;

        beforeEach(() => {
          missing = new Set(gone());
          node.isGone = (block) => missing.has(block) || (once && node.given.has(block));
        });

        it('tells just these, each run once, and delivers all other messages, in order', async () => {
          const probe = await started({ onGap: 'skip', verify });
          await probe.until(() => probe.events.length === expected(missing).length);
          await post();
          await probe.until(() => probe.events.length === expected(missing).length);
          assert.deepEqual(toldBy(probe), expected(missing));
        });

        it('stops at the first run, names all of it, and delivers the rest once it may go on', async () => {
          const [from, to] = runsOf(missing)[0] ?? assert.fail('there is one');
          const stopped = await started({ onGap: 'stop', verify });
          await assert.rejects(
            stopped.until(() => false),
            (error) => {
              assert.ok(isRelayError(error, 'blocks-missing'));
              assert.deepEqual([error.details?.['first'], error.details?.['last']], [from, to]);
              return true;
            },
          );
          const before = toldBy(stopped);
          // What else came is lost with who was stopped.
          if (once) missing = new Set([...missing, ...node.given]);
          node.isGone = (block) => missing.has(block);
          const probe = await started({ onGap: 'skip', verify });
          const left = () => expected(missing).slice(before.length);
          await probe.until(() => probe.events.length === left().length);
          assert.deepEqual(toldBy(probe), left());
          assert.deepEqual(before, expected(missing).slice(0, before.length));
        });
      });
});
