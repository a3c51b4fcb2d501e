import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'mocha';
import type { Hex } from '../../src/codec/index.ts';
import { isRelayError } from '../../src/errors/index.ts';
import { EarlyMail, type Append, type EarlyMailParts } from '../../src/store/early-mail.ts';
import { openLmdbMailStore, type MailStore } from '../../src/store/index.ts';
import { openMailTables } from '../../src/store/lmdb-mail-tables.ts';
import { MailWriter } from '../../src/store/lmdb-mail-writer.ts';
import { defaultQuota } from '../../src/store/mail-quota.ts';
import { startChild } from '../support/child.ts';

const recipient: Hex = `0x${'0b'.repeat(32)}`;
const id = (n: number): Hex => `0x${n.toString(16).padStart(64, '0')}`;
const sender = id(0xa11ce);
const bytes = (n: number): Uint8Array => new Uint8Array(100).fill(n);

describe('mail on its way to the disk, in LMDB', () => {
  let path: string;
  beforeEach(async () => {
    path = await mkdtemp(join(tmpdir(), 'khala-relay-mail-'));
  });
  afterEach(() => rm(path, { recursive: true }));

  /** What a reader gets that reads on at each wake, as a connection does. */
  function follow(store: MailStore): { readonly got: number[]; readonly cursors: bigint[] } {
    const [got, cursors]: [number[], bigint[]] = [[], []];
    store.subscribe(recipient, () => {
      void store.read(recipient, cursors.at(-1) ?? 0n, { early: true }).then((mails) => {
        // Another wake may have read the same.
        for (const mail of mails.filter(({ cursor }) => cursor > (cursors.at(-1) ?? 0n))) {
          cursors.push(mail.cursor);
          got.push(mail.bytes[0] ?? -1);
        }
      });
    });
    return { got, cursors };
  }

  it('is given to who reads the mailbox before it is durable, and to nobody else', async () => {
    await using store = await openLmdbMailStore({ path });
    await store.append(recipient, id(1), bytes(1));
    const leave = store.subscribe(recipient, () => undefined);
    const appending = store.append(recipient, id(2), bytes(2));
    const [early, onDisk] = await Promise.all([store.read(recipient, 0n, { early: true }), store.read(recipient, 0n)]);
    assert.deepEqual(
      early.map((mail) => mail.bytes[0]),
      [1, 2],
    );
    assert.deepEqual(
      onDisk.map((mail) => mail.bytes[0]),
      [1],
    );
    assert.deepEqual(await appending, { cursor: early[1]?.cursor, duplicate: false });
    leave();
    const unread = store.append(recipient, id(3), bytes(3));
    assert.equal((await store.read(recipient, 0n, { early: true })).length, 2);
    await unread;
    const all = await store.read(recipient, 0n);
    assert.deepEqual(all, await store.read(recipient, 0n, { early: true }));
    assert.deepEqual(
      all.map(({ messageId }) => messageId),
      [1, 2, 3].map(id),
    );
  });

  it('comes once and in order, however what is read early and what is not follow each other', async () => {
    await using store = await openLmdbMailStore({ path });
    const appends: Promise<unknown>[] = [];
    const append = (from: number, to: number): void => {
      for (let n = from; n < to; n++) appends.push(store.append(recipient, id(n), bytes(n)));
    };
    append(0, 20);
    const { got, cursors } = follow(store);
    append(20, 40);
    await appends[10];
    append(40, 60);
    await new Promise(setImmediate);
    append(60, 80);
    await Promise.all(appends);
    append(80, 100);
    await Promise.all(appends);
    await store.append(recipient, id(100), bytes(100));
    assert.deepEqual(
      got,
      Array.from({ length: 101 }, (_, n) => n),
    );
    assert.deepEqual(
      cursors,
      (await store.read(recipient, 0n)).map(({ cursor }) => cursor),
    );
  });

  it('is acknowledged before it is durable, and is gone then', async () => {
    await using store = await openLmdbMailStore({ path });
    store.subscribe(recipient, () => undefined);
    for (let n = 0; n < 3; n++) {
      const appending = store.append(recipient, id(n), bytes(n));
      const [mail] = await store.read(recipient, 0n, { early: true });
      await Promise.all([store.ack(recipient, mail?.cursor ?? 0n), appending]);
      assert.equal((await store.stats(recipient)).count, 0);
      assert.deepEqual(await store.read(recipient, 0n, { early: true }), []);
    }
    assert.equal((await store.totals()).bytes, 0);
  });

  it('is deleted when it is acknowledged, though other mailboxes were forgotten meanwhile', async () => {
    await using store = await openLmdbMailStore({ path });
    store.subscribe(recipient, () => undefined);
    // Its mailbox is new when it is given a cursor, and new once more, behind that of the other, when it is written: where
    // the turns fall so.
    for (let turns = 0; turns < 12; turns++) {
      const other = id(0x07e5 + turns);
      const filled = Array.from({ length: 50 }, (_, n) => store.append(other, id(1_000 * turns + n), bytes(n)));
      const cursors = (await Promise.all(filled)).map(({ cursor }) => cursor);
      const emptied = store.ack(other, cursors.at(-1) ?? 0n);
      for (let turn = 0; turn < turns; turn++) await new Promise(setImmediate);
      const appending = store.append(recipient, id(1_000 * turns + 99), bytes(99));
      const [{ cursor }] = await Promise.all([appending, emptied]);
      assert.deepEqual(
        (await store.read(recipient, cursor - 1n)).map((mail) => mail.bytes[0]),
        [99],
      );
      await store.ack(recipient, cursor);
      assert.equal((await store.totals()).count, 0);
    }
  });

  it('takes no place of what another process stored meanwhile, nor of what that stores next', async () => {
    const open = await openMailTables(path, { noSync: false, random: (length) => new Uint8Array(length) });
    const { env } = open;
    const writer = new MailWriter(open, { path, quota: defaultQuota, now: () => 0 });
    const [ours, theirs] = [1n, 2n ** 40n];
    const cursors: bigint[] = [];
    for (const [n, numbered] of [
      { given: ours, least: ours },
      { given: undefined, least: theirs },
      { given: ours + 1n, least: ours + 1n },
      { given: undefined, least: theirs },
    ].entries()) {
      const append = { recipient, messageId: id(n), bytes: bytes(n), origin: undefined, sentAt: 0 };
      cursors.push((await writer.append(append, numbered)).cursor);
    }
    assert.deepEqual(cursors, [ours, theirs, theirs + 1n, theirs + 2n]);
    await env.close();
  });

  it('is not given again where it is a duplicate', async () => {
    await using store = await openLmdbMailStore({ path });
    const { got } = follow(store);
    const twice = await Promise.all([1, 1].map((n) => store.append(recipient, id(n), bytes(n))));
    assert.deepEqual(
      twice.map(({ duplicate }) => duplicate),
      [false, true],
    );
    assert.equal((await store.append(recipient, id(1), bytes(1))).duplicate, true);
    await store.append(recipient, id(2), bytes(2));
    assert.deepEqual(got, [1, 2]);
  });

  for (const [what, quota, origin] of [
    ['mailbox', { maxCount: 4 }, undefined],
    ['mailbox, by bytes', { maxBytes: 450 }, undefined],
    ['part of its sender', { maxCount: 8, senderPart: 0.5 }, { sender, isKnown: true }],
    ['part of strangers', { maxCount: 8, strangerPart: 0.5 }, { sender, isKnown: false }],
    ['store', { maxTotalBytes: 90_000 }, { sender, isKnown: true }],
  ] as const)
    it(`is not given where it is refused: the ${what} is full`, async () => {
      await using store = await openLmdbMailStore({ path, quota: { senderPart: 1, ...quota } });
      const { got } = follow(store);
      const size = 'maxTotalBytes' in quota ? 20_000 : 100;
      const results = await Promise.allSettled(
        Array.from({ length: 10 }, (_, n) => store.append(recipient, id(n), new Uint8Array(size).fill(n), origin)),
      );
      assert.deepEqual(
        results.map((result) => result.status === 'fulfilled'),
        results.map((_, n) => n < 4),
      );
      assert.ok(
        results.every((result) => result.status === 'fulfilled' || isRelayError(result.reason, 'mailbox-full')),
      );
      assert.deepEqual(got, [0, 1, 2, 3]);
    });

  it('has a cursor that nothing else gets, where the process ended before it was durable', async () => {
    const cursors: bigint[] = [];
    for (let round = 0; round < 3; round++) {
      const child = startChild(new URL('early-mail-child.ts', import.meta.url), path);
      const line = await child.line();
      assert.match(line, /^\d+$/);
      cursors.push(BigInt(line));
      await child.exit;
      await using store = await openLmdbMailStore({ path });
      assert.deepEqual(await store.read(recipient, 0n), []);
      const { cursor } = await store.append(recipient, id(round), bytes(round));
      cursors.push(cursor);
      await store.ack(recipient, cursor);
    }
    assert.deepEqual(
      cursors,
      [...new Set(cursors)].sort((a, b) => (a < b ? -1 : 1)),
    );
  });
});

describe('cursors of mail on its way to the disk', () => {
  const append = (n: number): Append => ({
    ...{ recipient, messageId: id(n), bytes: bytes(n) },
    ...{ origin: { sender, isKnown: true }, sentAt: 0 },
  });
  const make = (parts: Partial<EarlyMailParts> = {}) =>
    new EarlyMail({
      ...{ least: 0n, now: () => 0, isRead: () => true, last: () => 50n, isKnown: () => false, hasRoom: () => true },
      ...parts,
    });

  it('are not given again after one that failed', () => {
    const early = make();
    const [first, second] = [early.begin(append(1)), early.begin(append(2))];
    assert.deepEqual([first.given, second.given], [51n, 52n]);
    early.failed(append(1), first.given);
    assert.equal(early.begin(append(3)).given, 53n);
    early.failed(append(2), second.given);
    early.failed(append(3), 53n);
    // As before: nothing of all that is on the disk.
    assert.equal(early.of(recipient), undefined);
    assert.ok((early.begin(append(4)).given ?? 0n) > 53n);
  });

  it('are given to none behind one that gets its own on the disk', () => {
    const early = make({ isKnown: ({ messageId }) => messageId === id(2) });
    assert.equal(early.begin(append(1)).given, 51n);
    const later = early.begin(append(2));
    assert.deepEqual(later, { given: undefined, least: 52n });
    assert.equal(early.begin(append(3)).given, undefined);
    early.stored(append(2), undefined, 52n);
    assert.deepEqual(early.begin(append(4)), { given: undefined, least: 53n });
    early.stored(append(3), undefined, 53n);
    early.stored(append(4), undefined, 54n);
    assert.equal(early.begin(append(5)).given, 55n);
    assert.equal(early.of(recipient)?.settled, 54n);
  });

  it('begin where a store says that none was given before', () => {
    assert.equal(make({ least: 2n ** 40n }).begin(append(1)).given, 2n ** 40n);
  });

  it('hold room for what is on its way, of all and of its sender', () => {
    const seen: unknown[] = [];
    const early = make({
      hasRoom: (_, onTheWay) => {
        seen.push(structuredClone(onTheWay));
        return true;
      },
    });
    const first = early.begin(append(1));
    early.begin({ ...append(2), origin: undefined });
    early.stored(append(1), first.given, 51n);
    early.begin(append(3));
    const fill = (count: number) => ({ count, bytes: 100 * count });
    assert.deepEqual(seen, [
      { box: fill(0), share: fill(0), bytes: 0 },
      { box: fill(1), share: fill(0), bytes: 100 },
      { box: fill(1), share: fill(0), bytes: 100 },
    ]);
  });
});
