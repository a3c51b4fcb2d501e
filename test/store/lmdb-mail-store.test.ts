import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { open } from 'lmdb';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { toHex, type Hex } from '../../src/codec/index.ts';
import { isRelayError } from '../../src/errors/index.ts';
import { openLmdbMailStore } from '../../src/store/lmdb-mail-store.ts';
import { until } from '../support/until.ts';

const recipient = `0x${'0b'.repeat(32)}` as const;
const id = `0x${'1d'.repeat(32)}` as const;

describe('mail store in LMDB', () => {
  let path: string;
  beforeEach(async () => {
    path = await mkdtemp(join(tmpdir(), 'khala-relay-mail-'));
  });
  afterEach(() => rm(path, { recursive: true }));

  it('tells of a sweep that failed, and sweeps again', async () => {
    let now = Date.now();
    let isBroken = false;
    const failures: unknown[] = [];
    await using store = await openLmdbMailStore({
      ...{ path, sweepIntervalMs: 5, retentionMs: 1_000 },
      now: () => {
        if (isBroken) throw new Error('no clock');
        return now;
      },
      onBackgroundFailure: (error) => failures.push(error),
    });
    await store.append(recipient, id, Uint8Array.of(1));
    isBroken = true;
    await until(() => failures.length > 1);
    assert.match(String(failures[0]), /no clock/);
    isBroken = false;
    now += 2_000;
    await until(async () => (await store.totals()).count === 0);
  });

  it('keeps room for known senders in all mailboxes together, where strangers fill many', async () => {
    await using store = await openLmdbMailStore({ path, quota: { maxTotalBytes: 100_000, strangerPart: 0.5 } });
    const append = (n: number, isKnown: boolean) => {
      const [recipientOf, sender, messageId] = [0x10, 0x40, 0x80].map((from) =>
        toHex(new Uint8Array(32).fill(from + n)),
      ) as [Hex, Hex, Hex];
      return store.append(recipientOf, messageId, new Uint8Array(10_000), { sender, isKnown });
    };
    for (let n = 0; n < 5; n++) await append(n, false);
    await assert.rejects(
      append(5, false),
      (error) => isRelayError(error, 'mailbox-full') && error.message.includes('known senders'),
    );
    for (let n = 6; n < 11; n++) await append(n, true);
    await assert.rejects(append(11, true), (error) => isRelayError(error, 'mailbox-full'));
    assert.equal((await store.totals()).bytes, 100_000);
  });

  it('gives and counts messages of every size for what they are, whatever is read after them', async () => {
    await using store = await openLmdbMailStore({ path });
    const sizes = [1, 600, 4_095, 5_000, 40_000, 300_000];
    const messages = sizes.map((size, n) => Buffer.alloc(size, n + 1));
    const ids = sizes.map((_, n) => toHex(new Uint8Array(32).fill(n)));
    for (const [n, bytes] of messages.entries()) await store.append(recipient, ids[n] ?? id, bytes);
    const found = await store.read(recipient, 0n);
    await Promise.all([...found].reverse().map(({ cursor }) => store.read(recipient, cursor - 1n, { count: 1 })));
    assert.deepEqual(
      found.map(({ bytes, messageId }) => [
        Buffer.from(bytes).equals(messages[ids.indexOf(messageId)] ?? Buffer.of()),
        messageId,
      ]),
      ids.map((messageId) => [true, messageId]),
    );
    for (const [n, { cursor }] of found.entries()) {
      await store.ack(recipient, cursor);
      const left = sizes.slice(n + 1).reduce((sum, size) => sum + size, 0);
      assert.equal((await store.stats(recipient)).bytes, left);
    }
  });

  it('has nothing left of mailboxes that are empty, however they came to be, and gives no cursor twice', async () => {
    let now = Date.now();
    const recipients = Array.from({ length: 700 }, (_, n) =>
      toHex(new Uint8Array(32).fill(n % 256).fill(n >> 8, 0, 1)),
    );
    const origin = { sender: recipient, isKnown: false };
    let last = 0n;
    {
      await using store = await openLmdbMailStore({ path, retentionMs: 1_000, now: () => now });
      for (const [n, each] of recipients.entries()) {
        const messageId = toHex(new Uint8Array(32).fill(n % 256).fill(n >> 8, 30));
        ({ cursor: last } = await store.append(each, messageId, Uint8Array.of(1), origin));
      }
      assert.equal((await store.totals()).recipients, recipients.length);
      for (const each of recipients.slice(0, 350)) await store.ack(each, 2n ** 64n - 1n);
      assert.equal((await store.totals()).recipients, 350);
      now += 2_000;
      assert.deepEqual(await store.sweep(), { expired: 350 });
      assert.deepEqual(await store.totals(), { recipients: 0, replyBoxes: 0, count: 0, bytes: 0 });
      const { acknowledged } = await store.stats(recipient);
      assert.ok(acknowledged >= last);
    }
    const env = open({ path, maxDbs: 8 });
    const [boxes, shares] = ['boxes', 'shares'].map((name) => env.openDB({ name, keyEncoding: 'binary' }));
    assert.deepEqual([boxes?.getKeysCount(), shares?.getKeysCount()], [0, 0]);
    await env.close();
    await using store = await openLmdbMailStore({ path });
    for (const each of recipients.slice(0, 3))
      assert.ok(
        (
          await store.append(
            each,
            toHex(new Uint8Array(32).fill(0xee, 0, Number(each.slice(-1)) + 1)),
            Uint8Array.of(1),
          )
        ).cursor > last,
      );
  });

  it('keeps with the durability of the operating system what it took, when it is closed and opened', async () => {
    const options = { path, durability: 'os' } as const;
    {
      await using store = await openLmdbMailStore(options);
      await store.append(recipient, id, Uint8Array.of(1, 2, 3));
    }
    await using store = await openLmdbMailStore(options);
    const [mail] = await store.read(recipient, 0n);
    assert.deepEqual([mail?.messageId, [...(mail?.bytes ?? [])]], [id, [1, 2, 3]]);
    assert.equal((await store.append(recipient, id, Uint8Array.of(1, 2, 3))).duplicate, true);
  });
});
