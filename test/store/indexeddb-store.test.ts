import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'mocha';
import type { Page } from 'playwright-core';
import { fromHex, toHex } from '../../src/codec/index.ts';
import { isErrorCode, RelayError } from '../../src/errors/index.ts';
import type { TransactionalStore } from '../../src/store/index.ts';
import { anotherTab, openPage, openProfile, servePage, type OpenPage } from '../support/chromium.ts';
import { rejected } from '../support/expect-error.ts';
import { until } from '../support/until.ts';
import type { Outcome } from './indexeddb-page.ts';
import { describeTransactionalStore } from './transactional-store.compliance.ts';

const entry = join(import.meta.dirname, 'indexeddb-page.ts');

/** The store of a page. */
async function openIn(page: Page, name: string, patienceMs?: number): Promise<TransactionalStore> {
  const get: TransactionalStore['get'] = async (key) => {
    const value = valueOf(await page.evaluate((given) => globalThis.storePage.get(given), toHex(key)));
    return value === undefined ? undefined : fromHex(value);
  };
  const close = async (): Promise<void> => {
    valueOf(await page.evaluate(() => globalThis.storePage.close()));
  };
  valueOf(await page.evaluate(([given, ms]) => globalThis.storePage.open(given, ms), [name, patienceMs] as const));
  return {
    get,
    async entries({ from, to, ...how }) {
      const range = { from: toHex(from), to: toHex(to), ...how };
      const entries = valueOf(await page.evaluate((given) => globalThis.storePage.entries(given), range));
      return entries.map(([key, value]) => [fromHex(key), fromHex(value)]);
    },
    async commit(writes, expected = []) {
      const given = [writes, expected].map((list) =>
        list.map(({ key, value }) => ({ key: toHex(key), value: value === undefined ? undefined : toHex(value) })),
      );
      return valueOf(await page.evaluate(([w = [], e = []]) => globalThis.storePage.commit(w, e), given));
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

function valueOf<T>(outcome: Outcome<T>): T {
  if (!('code' in outcome)) return outcome.value;
  assert.ok(isErrorCode(outcome.code), outcome.code);
  throw new RelayError(outcome.code);
}

describe('IndexedDB (Chromium)', function () {
  this.timeout(60_000);
  let open: OpenPage;
  let databases = 0;
  const freshName = () => `store ${databases++}`;
  const one = { key: fromHex('0x01'), value: fromHex('0x11') };

  before(async () => {
    open = await openPage(entry);
  });
  after(() => open[Symbol.asyncDispose]());

  describeTransactionalStore('IndexedDB', async () => {
    const name = freshName();
    return {
      open: () => openIn(open.page, name),
      cleanUp: () => open.page.evaluate((given) => globalThis.storePage.deleteDatabase(given), name),
    };
  });

  it('keeps what was committed when the page is loaded again, which gets the store back', async () => {
    const name = freshName();
    const page = await anotherTab(open.page);
    await (await openIn(page, name)).commit([one]);
    for (let times = 0; times < 3; times++) {
      await page.reload();
      assert.deepEqual(await (await openIn(page, name)).get(one.key), one.value);
    }
    await page.close();
  });

  it('is in the hands of one tab at a time: another is told so, and has it when the first is closed or dies', async () => {
    const name = freshName();
    const [first, second] = [await anotherTab(open.page), await anotherTab(open.page)];
    const store = await openIn(first, name);
    await store.commit([one]);
    await rejected(openIn(second, name, 0), 'store-in-use');
    await rejected(openIn(second, name, 50), 'store-in-use');
    await openIn(second, `${name} of its own`);
    const waiting = openIn(second, name, Infinity);
    await store.close();
    assert.deepEqual(await (await waiting).get(one.key), one.value);

    const again = openIn(first, name, Infinity);
    const crashed = second.waitForEvent('crash');
    await second.goto('chrome://crash').catch(() => undefined);
    await crashed;
    assert.deepEqual(await (await again).get(one.key), one.value);
    await Promise.all([first.close(), second.close()]);
  });

  it('waits no longer than asked for where another tab holds up the database itself, and leaves the lock to others', async () => {
    const name = freshName();
    const [holder, other] = [await anotherTab(open.page), await anotherTab(open.page)];
    const store = await openIn(other, name);
    await store.commit([one]);
    await store.close();
    await holder.evaluate((given) => globalThis.storePage.hold(given), name);
    // What is to be opened after this waits for the holder.
    await other.evaluate((given) => {
      globalThis.storePage.beginDelete(given);
    }, name);
    const given = async (ms: number) =>
      valueOf(await other.evaluate(([of, until]) => globalThis.storePage.openFor(of, until), [name, ms] as const));
    await rejected(given(100), 'aborted');
    await rejected(openIn(other, name, 0), 'store-in-use');
    const locks = await other.evaluate(async () => (await navigator.locks.query()).held?.map((lock) => lock.name));
    assert.ok(!locks?.some((lock) => lock?.includes(name)), String(locks));
    const opening = openIn(other, name, Infinity);
    await holder.evaluate(() => {
      globalThis.storePage.letGo();
    });
    const again = await opening;
    assert.equal(await again.get(one.key), undefined);
    assert.equal(await again.commit([one]), true);
    await Promise.all([holder.close(), other.close()]);
  });

  it('refuses the database of another program, and leaves it as it is', async () => {
    for (const version of [1, 7]) {
      const name = freshName();
      await open.page.evaluate(([given, number]) => globalThis.storePage.foreign(given, number), [
        name,
        version,
      ] as const);
      await rejected(openIn(open.page, name), 'store-failed');
      await rejected(openIn(open.page, name, 0), 'store-failed');
      const content = await open.page.evaluate((given) => globalThis.storePage.foreignContent(given), name);
      assert.deepEqual(content, { version, stores: ['theirs'], value: 'value' });
    }
  });

  it('says store-failed where the site has no more room, keeps what it has, and goes on when there is room', async () => {
    // On an origin of its own: the browser remembers for a while how much room an origin has.
    await using other = await openPage(entry);
    const { page, origin } = other;
    const session = await page.context().newCDPSession(page);
    await session.send('Storage.overrideQuotaForOrigin', { origin, quotaSize: 1_000_000 });
    const store = await openIn(page, 'small');
    await store.commit([one]);
    // Nothing that the browser could make smaller.
    const large = { key: fromHex('0x02'), value: Uint8Array.from(randomBytes(2_000_000)) };
    await rejected(store.commit([{ key: one.key, value: fromHex('0x22') }, large]), 'store-failed');
    assert.deepEqual(await store.get(one.key), one.value);
    assert.equal(await store.get(large.key), undefined);
    await session.send('Storage.overrideQuotaForOrigin', { origin });
    assert.equal(await store.commit([large]), true);
  });

  it('needs a secure context, and says so', async () => {
    await using other = await openPage(entry, { host: 'page.example' });
    await rejected(openIn(other.page, 'any'), 'store-failed');
  });

  // A profile for each kill: what Chromium writes behind a record that a kill tore, it drops with all of a site, once it has
  // been closed again.
  for (const many of [5, 60, 20])
    it(`keeps what it said is committed when the browser is killed after ${many} commits`, async () => {
      const folder = await mkdtemp(join(tmpdir(), 'khala-relay-profile-'));
      await using served = await servePage(entry);
      let committed = 0;
      {
        await using browser = await openProfile(folder);
        const page = await browser.tab(served.origin);
        await openIn(page, 'numbers');
        page.on('console', (message) => {
          if (message.text().startsWith('committed')) committed += 1;
        });
        void page.evaluate(() => globalThis.storePage.append()).catch(() => undefined);
        await until(() => committed >= many);
        await browser.kill();
      }
      {
        await using browser = await openProfile(folder);
        const store = await openIn(await browser.tab(served.origin), 'numbers');
        const found = await store.entries({ from: fromHex('0x6e'), to: fromHex('0x6f') });
        // More may be there: committed, and killed before it could say so, or before it was heard.
        assert.ok(found.length >= committed, `${found.length}, not ${committed}`);
      }
      await rm(folder, { recursive: true, force: true });
    });
});
