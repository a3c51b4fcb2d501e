import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, describe, it } from 'mocha';
import type { Page } from 'playwright-core';
import { toHex } from '../../src/codec/index.ts';
import { Conversations } from '../relay/conversation.ts';
import { Cleanup } from '../relay/support.ts';
import { anotherTab, openPage, openProfile, servePage, type OpenPage } from '../support/chromium.ts';
import { until } from '../support/until.ts';
import { keysOf } from '../support/vectors.ts';
import type { Sender } from './outbox-page.ts';

const entry = join(import.meta.dirname, 'outbox-page.ts');
const { identitySeed, identityPublic, ecdhSeed } = keysOf('alice');

describe('browser: a queue that outlives its page (Chromium)', function () {
  this.timeout(120_000);
  const cleanup = new Cleanup();
  const talk = new Conversations(cleanup);
  let open: OpenPage;

  before(async () => {
    await talk.start();
    open = await openPage(entry);
  });
  afterEach(() => cleanup.run());
  after(async () => {
    await open[Symbol.asyncDispose]();
    await talk.stop();
  });

  /** A worker behind a relay that comes and goes, what it reads, and what a page knows of it. */
  const worker = async ({ isReading = true } = {}) => {
    const party = talk.party();
    const { identity } = party.vault;
    const mailStore = await cleanup.store();
    const options = { genesisHash: talk.genesisHash, recipients: [identity], mailStore };
    let relay = await cleanup.relay(options);
    const { url } = relay;
    const [key] = await party.vault.ecdhKeys();
    const sender: Sender = {
      ...{ genesisHash: talk.genesisHash, identitySeed, ecdhSeed, to: identity, endpoints: [url] },
      store: `of the sender to ${identity}`,
      ecdhKey: toHex(key?.publicKey ?? new Uint8Array()),
    };
    return {
      ...{ sender, url },
      party,
      texts: isReading ? await talk.texts(party, url) : [],
      isEmpty: async () => (await mailStore.stats(identity)).count === 0,
      leave: () => relay.stop(),
      comeBack: async () => {
        relay = await cleanup.relay({ ...options, listen: { port: Number(new URL(url).port) } });
      },
    };
  };
  const tab = async (): Promise<Page> => cleanup.add(await anotherTab(open.page), (page) => page.close());
  const start = (page: Page, sender: Sender) => page.evaluate((given) => globalThis.outboxPage.start(given), sender);
  const states = async (page: Page) => new Set(await page.evaluate(() => globalThis.outboxPage.states()));
  const queue = (page: Page, first: number, count: number) =>
    page.evaluate(([from, many]) => globalThis.outboxPage.queue(from, many), [first, count] as const);
  /** Numbers that a page says are stored: it queues no more before that is noted. */
  const told = (page: Page, numbers: number[]): Promise<unknown> =>
    page.exposeFunction('stored', (n: number) => {
      numbers.push(n);
    });

  it('sends, in order, what was queued offline by pages that were loaded again, closed and killed', async () => {
    const { sender, texts, leave, comeBack, isEmpty, url } = await worker();
    await leave();
    const page = await tab();
    assert.equal(await start(page, sender), identityPublic);
    await queue(page, 0, 3);
    await page.reload();
    await start(page, sender);
    await queue(page, 3, 3);
    await page.close();
    const dying = await tab();
    await start(dying, sender);
    await queue(dying, 6, 1);
    const crashed = dying.waitForEvent('crash');
    await dying.goto('chrome://crash').catch(() => undefined);
    await crashed;

    const last = await tab();
    await start(last, sender);
    await queue(last, 7, 1);
    assert.ok(!(await states(last)).has('relayed'));
    await comeBack();
    await last.evaluate(() => {
      globalThis.outboxPage.tryAgain();
    });
    await until(() => texts.length === 8);
    await until(isEmpty);
    assert.deepEqual(
      texts,
      Array.from({ length: 8 }, (_, n) => `mail ${n}`),
    );
    await last.reload();
    await start(last, sender);
    // The page may have been gone before the receipt of the last one came: it is asked for again.
    await until(async () => [...(await states(last))].join() === 'relayed');
    assert.equal(await last.evaluate(() => globalThis.outboxPage.endpoint(0)), url);
  });

  it('is told by the next page that its message was delivered, and read', async () => {
    const { sender, party, url } = await worker({ isReading: false });
    const page = await tab();
    await start(page, sender);
    await queue(page, 0, 1);
    await until(async () => (await states(page)).has('relayed'));
    await page.reload();
    await start(page, sender);
    const inbox = await talk.inbox(party);
    const replier = talk.replier(party, { relays: [url] });
    await talk.feed(party, url, inbox, replier);
    talk.serve(inbox, replier, { acknowledgeReads: true });
    const deliveredAt = await page.evaluate(() => globalThis.outboxPage.delivered(0));
    assert.ok(deliveredAt !== undefined);
    const word = await page.evaluate(() => globalThis.outboxPage.read(0));
    assert.match(word ?? '', /^0x[0-9a-f]{64}$/);
    await page.reload();
    await start(page, sender);
    assert.equal(await page.evaluate(() => globalThis.outboxPage.read(0)), word);
    assert.equal(await page.evaluate(() => globalThis.outboxPage.delivered(0)), deliveredAt);
  });

  it('belongs to one tab; a second is told so, and goes on when the first is closed', async () => {
    const { sender, texts, leave, comeBack } = await worker();
    await leave();
    const [first, second] = [await tab(), await tab()];
    await start(first, sender);
    await queue(first, 0, 2);
    assert.equal(await start(second, { ...sender, patienceMs: 0 }), 'store-in-use');
    const waiting = start(second, { ...sender, patienceMs: 60_000 });
    await first.close();
    assert.equal(await waiting, identityPublic);
    await comeBack();
    await second.evaluate(() => {
      globalThis.outboxPage.tryAgain();
    });
    await until(() => texts.length === 2);
    assert.deepEqual(texts, ['mail 0', 'mail 1']);
  });

  // A profile for each kill: what Chromium writes behind a record that a kill tore, it drops with all of a site, once it has
  // been closed again.
  for (const [kill, isAway] of [
    [5, false],
    [40, true],
    [12, false],
  ] as const)
    it(`loses nothing that it stored and sends nothing twice, when the browser is killed after ${kill} messages${isAway ? ', and the relay away' : ''}`, async () => {
      const { sender, texts, isEmpty, leave, comeBack } = await worker();
      const folder = cleanup.add(await mkdtemp(join(tmpdir(), 'khala-relay-profile-')), (path) =>
        rm(path, { recursive: true, force: true }),
      );
      await using served = await servePage(entry);
      // A browser that was killed puts its databases in order first: one that did not open would queue nothing, for ever.
      const startAgain = async (page: Page): Promise<void> =>
        assert.equal(await start(page, { ...sender, patienceMs: 60_000 }), identityPublic);
      const queued: number[] = [];
      {
        await using browser = await openProfile(folder);
        const page = await browser.tab(served.origin);
        await told(page, queued);
        await startAgain(page);
        const queueing = queue(page, 0, 1_000).catch(() => undefined);
        await until(() => queued.length >= kill);
        if (isAway) await leave();
        await until(() => queued.length >= kill + 3);
        await browser.kill();
        await queueing;
        if (isAway) await comeBack();
      }
      await using browser = await openProfile(folder);
      const page = await browser.tab(served.origin);
      await told(page, queued);
      await startAgain(page);
      await queue(page, 9_000, 1);
      await until(async () => (await states(page)).size === 1 && (await states(page)).has('relayed'));
      await until(() => queued.every((n) => texts.includes(`mail ${n}`)));
      await until(isEmpty);
      assert.equal(new Set(texts).size, texts.length);
      // One that was stored when the browser died may have had no time to say so.
      assert.ok(texts.length - queued.length <= 1, `${texts.length} of ${queued.length}`);
    });
});
