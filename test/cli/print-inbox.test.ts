import assert from 'node:assert/strict';
import { Writable } from 'node:stream';
import { connectChain, type Chain } from '../../src/chain/index.ts';
import { createOutput, short } from '../../src/cli/output.ts';
import { printInbox, type AnswerDelivery } from '../../src/cli/print-inbox.ts';
import { messageId } from '../../src/codec/index.ts';
import { startDevChain, type DevChain } from '../../src/dev-chain/index.ts';
import { createInbox, openInboxFiles, type InboxOptions } from '../../src/inbox/index.ts';
import { openMemoryStore } from '../../src/store/index.ts';
import type { Vault } from '../../src/vault/index.ts';
import { Poster } from '../inbox/support.ts';
import { alice, registered, temporaryFolder } from '../support/entities.ts';
import { until } from '../support/until.ts';
import { linesTo } from './lines-to.ts';

const finalityLag = 3;

describe('cli: what is printed of an inbox to a person', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let dev: DevChain;
  let chain: Chain;
  let poster: Poster;
  let recipient: Vault;
  const open: AsyncDisposable[] = [];

  before(async () => {
    folder = await temporaryFolder();
    dev = await startDevChain({ finalityLag });
    chain = await connectChain({ endpoints: [dev.ws] });
    const [sender, vault] = (await registered(chain, folder.path, ['s', 'r'])) as [Vault, Vault];
    recipient = vault;
    poster = await Poster.of(chain, sender, vault);
  });

  afterEach(async () => {
    for (const resource of open.splice(0).reverse()) await resource[Symbol.asyncDispose]();
  });

  after(async () => {
    await chain.stop();
    await dev.stop();
    await folder.remove();
  });

  /** The lines as they come, of an inbox of its own, and the ids of the messages that were answered. */
  async function printed(options: Partial<InboxOptions>, stream?: Writable) {
    const inbox = createInbox({ chain, vault: recipient, store: openMemoryStore(), ...options });
    open.push(inbox);
    await inbox.start();
    await inbox.ready;
    const lines: string[] = [];
    const output = createOutput(false, stream ?? linesTo((line) => lines.push(line)));
    const ids: string[] = [];
    const answer: AnswerDelivery = async ({ messageId }) => {
      ids.push(short(messageId));
      return undefined;
    };
    let end: () => void = () => undefined;
    const ending = new Promise<void>((resolve) => (end = resolve));
    const warn = (text: string) => assert.fail(text);
    const printing = printInbox(inbox, output, { until: ending, warn, answer });
    open.push({
      [Symbol.asyncDispose]: async () => {
        end();
        await printing;
      },
    });
    return { lines, ids };
  }

  it('marks what is early, and names it by the same id when it is taken back, comes back and is final', async () => {
    const { lines, ids } = await printed({ finality: 'best' });
    const { number } = await chain.bestHead();
    await poster.send(recipient, 'early');
    await until(() => lines.length === 1);
    await dev.reorg(number, { resubmit: true });
    await dev.newBlock({ count: 2 });
    await until(() => lines.length >= 3);
    await dev.newBlock({ count: finalityLag });
    await until(() => lines.length >= 4);
    const [id] = ids as [string];
    const sender = short(alice.id);
    assert.deepEqual(lines, [
      `${sender} (account, on chain, block ${number + 1}, not final, message ${id}): early\n`,
      `retracted: message ${id}\n`,
      `reinstated: message ${id}\n`,
      `finalized: message ${id}\n`,
    ]);
  });

  it('answers and acknowledges each message once its line is taken, in order; those behind it are written by then', async () => {
    const taking: (() => void)[] = [];
    const lines: string[] = [];
    const stream = new Writable({
      decodeStrings: false,
      write: (line: string, _, taken) => {
        lines.push(line);
        taking.push(taken);
      },
    });
    const store = openMemoryStore();
    const { ids } = await printed({ store }, stream);
    const texts = ['one', 'two', 'six'];
    await poster.send(recipient, ...texts);
    await dev.newBlock({ count: finalityLag });
    const pending = async (): Promise<number> => {
      let count = 0;
      for await (const _ of (await openInboxFiles(store)).pending()) count++;
      return count;
    };
    await until(() => stream.writableLength === 3 * (lines[0]?.length ?? Infinity));
    assert.deepEqual([lines.length, ids, await pending()], [1, [], 3]);
    for (const left of [2, 1, 0]) {
      taking.shift()?.();
      await until(async () => (await pending()) === left);
      assert.equal(ids.length, 3 - left);
    }
    assert.deepEqual(
      lines.map((line, n) => [line.includes(ids[n] ?? '-'), line.split(': ')[1]]),
      texts.map((text) => [true, `${text}\n`]),
    );
  });

  for (const [verify, mark] of [
    [false, ', unproven'],
    [true, ''],
  ] as const)
    it(verify ? 'has nothing to add to what is proven' : 'marks what a node was believed', async () => {
      const [{ lines: final }, { lines: best }] = [
        await printed({ verify }),
        await printed({ verify, finality: 'best' }),
      ];
      const envelope = await poster.sealed(recipient, 'later');
      const id = short(messageId({ genesisHash: chain.genesisHash, envelope }));
      const { blockNumber } = await poster.post(recipient, envelope);
      await dev.newBlock({ count: finalityLag });
      await until(() => final.length === 1 && best.length === 2);
      assert.deepEqual(final, [
        `${short(alice.id)} (account, on chain, block ${blockNumber}${mark}, message ${id}): later\n`,
      ]);
      assert.match(best[1] ?? '', new RegExp(`^finalized${mark}: message `));
    });
});
