import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { toHex, type Hex } from '../../src/codec/index.ts';
import { isRelayError } from '../../src/errors/index.ts';
import type { MailQuota, Origin } from '../../src/store/mail-quota.ts';
import type { MailStore } from '../../src/store/mail-store.ts';
import { until } from '../support/until.ts';

export interface StoreUnderTest {
  /** Opens the same store again each time: what was stored before is there. */
  open(options?: {
    readonly quota?: MailQuota;
    readonly retentionMs?: number;
    readonly dedupeMs?: number;
    readonly now?: () => number;
  }): Promise<MailStore>;
  cleanUp(): Promise<void>;
}

const id = (n: number): Hex => `0x${n.toString(16).padStart(64, '0')}`;
const alice = id(0xa11ce);
const bob = id(0xb0b);
const known = (n: number): Origin => ({ sender: toHex(new Uint8Array(32).fill(0x40 + n)), isKnown: true });
const stranger = (n: number): Origin => ({ sender: toHex(new Uint8Array(32).fill(n)), isKnown: false });
const message = (n: number): Uint8Array => new TextEncoder().encode(`message ${n}`);
const texts = (mail: readonly { bytes: Uint8Array }[]): string[] =>
  mail.map(({ bytes }) => new TextDecoder().decode(bytes));
const range = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, n) => from + n);

/** What every MailStore promises. `make` gives an empty store for each test. */
export function describeMailStore(name: string, make: () => Promise<StoreUnderTest>): void {
  describe(`MailStore: ${name}`, () => {
    let under: StoreUnderTest;
    let store: MailStore;

    const reopen = async (options?: Parameters<StoreUnderTest['open']>[0]): Promise<void> => {
      await store.close();
      store = await under.open(options);
    };
    const fill = (recipient: Hex, numbers: readonly number[]) =>
      Promise.all(numbers.map((n) => store.append(recipient, id(n), message(n))));

    beforeEach(async () => {
      under = await make();
      store = await under.open();
    });
    afterEach(async () => {
      await store.close();
      await under.cleanUp();
    });

    it('gives back what was appended, in order, with growing cursors', async () => {
      const appended = await fill(alice, range(1, 50));
      const mail = await store.read(alice, 0n);
      assert.deepEqual(
        texts(mail),
        range(1, 50).map((n) => `message ${n}`),
      );
      assert.deepEqual(
        mail.map(({ cursor }) => cursor),
        appended.map(({ cursor }) => cursor),
      );
      assert.deepEqual(
        mail.map(({ messageId }) => messageId),
        range(1, 50).map(id),
      );
      assert.ok(mail.every(({ cursor }, at) => at === 0 || cursor > (mail[at - 1]?.cursor ?? 0n)));
    });

    it('reads after a cursor, and no more than asked for', async () => {
      const appended = await fill(alice, range(1, 20));
      const after = appended[4]?.cursor ?? 0n;
      assert.deepEqual(texts(await store.read(alice, after, { count: 3 })), ['message 6', 'message 7', 'message 8']);
      assert.deepEqual(texts(await store.read(alice, after, { bytes: 1 })), ['message 6']);
      assert.deepEqual(await store.read(alice, 2n ** 64n - 1n), []);
    });

    for (const wrong of [1, NaN, '1', null, -1n, 2n ** 64n] as bigint[])
      it(`refuses ${typeof wrong} ${String(wrong)}, which no cursor is, and deletes nothing`, async () => {
        await fill(alice, [1]);
        const isBadValue = (error: unknown): boolean => isRelayError(error, 'bad-value');
        await assert.rejects(async () => store.read(alice, wrong), isBadValue);
        await assert.rejects(async () => store.ack(alice, wrong), isBadValue);
        assert.deepEqual(texts(await store.read(alice, 0n)), ['message 1']);
      });

    it('keeps mailboxes apart', async () => {
      await fill(alice, [1, 2]);
      await fill(bob, [3]);
      await store.ack(bob, 2n ** 64n - 1n);
      assert.deepEqual(texts(await store.read(alice, 0n)), ['message 1', 'message 2']);
      assert.deepEqual(await store.read(bob, 0n), []);
    });

    it('stores a message id once, acknowledged or not, across a restart', async () => {
      const first = await store.append(alice, id(1), message(1));
      assert.equal(first.duplicate, false);
      assert.deepEqual(await store.append(alice, id(1), message(1)), { cursor: first.cursor, duplicate: true });
      const [third, fourth] = await Promise.all([
        store.append(alice, id(2), message(2)),
        store.append(alice, id(2), message(2)),
      ]);
      assert.deepEqual([third.duplicate, fourth.duplicate], [false, true]);
      await store.ack(alice, first.cursor);
      await reopen();
      assert.equal((await store.append(alice, id(1), message(1))).duplicate, true);
      assert.deepEqual(texts(await store.read(alice, 0n)), ['message 2']);
    });

    it('knows ids of messages whose time it is told too, whoever brings them, and forgets them when they were stored long ago', async () => {
      let now = 1_000_000;
      await reopen({ dedupeMs: 500, now: () => now });
      const sentAt = 2_000_000;
      const first = await store.append(alice, id(1), message(1), known(1), sentAt);
      const again = await store.append(alice, id(1), message(1), undefined, sentAt);
      assert.deepEqual(again, { cursor: first.cursor, duplicate: true });
      await store.ack(alice, first.cursor);
      await reopen({ dedupeMs: 500, now: () => now });
      assert.equal((await store.append(alice, id(1), message(1), known(1), sentAt)).duplicate, true);
      now += 501;
      await store.sweep();
      assert.equal((await store.append(alice, id(1), message(1), known(1), sentAt)).duplicate, false);
    });

    it('deletes what is acknowledged, and only that, for ever', async () => {
      const appended = await fill(alice, range(1, 1300));
      await store.ack(alice, appended[1199]?.cursor ?? 0n);
      await store.ack(alice, appended[3]?.cursor ?? 0n);
      const left = range(1201, 1300).map((n) => `message ${n}`);
      assert.deepEqual(texts(await store.read(alice, 0n, { count: 5000 })), left);
      await reopen();
      assert.deepEqual(texts(await store.read(alice, 0n, { count: 5000 })), left);
      const { count, acknowledged, last } = await store.stats(alice);
      assert.deepEqual([count, acknowledged, last], [100, appended[1199]?.cursor, appended.at(-1)?.cursor]);
    });

    it('never gives a cursor twice, also after everything was acknowledged and the store reopened', async () => {
      const [first] = await fill(alice, [1]);
      await store.ack(alice, first?.cursor ?? 0n);
      await reopen();
      const [second] = await fill(alice, [2]);
      assert.ok((second?.cursor ?? 0n) > (first?.cursor ?? 0n));
      await store.ack(alice, 2n ** 64n - 1n);
      const [third] = await fill(alice, [3]);
      assert.ok((third?.cursor ?? 0n) > (second?.cursor ?? 0n));
      assert.deepEqual(texts(await store.read(alice, second?.cursor ?? 0n)), ['message 3']);
    });

    it('keeps its generation across a restart, and another store has another', async () => {
      const { generation } = store;
      assert.match(generation, /^0x[0-9a-f]{32}$/);
      await reopen();
      assert.equal(store.generation, generation);
      const other = await make();
      const otherStore = await other.open();
      assert.notEqual(otherStore.generation, generation);
      await otherStore.close();
      await other.cleanUp();
    });

    it('counts', async () => {
      const [, second] = await fill(alice, [1, 2, 3]);
      const [ofBob] = await fill(bob, [4]);
      const { bytes: atLeast, ...totals } = await store.totals();
      assert.deepEqual(totals, { recipients: 2, replyBoxes: 0, count: 4 });
      assert.ok(atLeast >= 36);
      const { count, bytes } = await store.stats(alice);
      assert.deepEqual({ count, bytes }, { count: 3, bytes: 27 });
      await store.ack(alice, second?.cursor ?? 0n);
      assert.equal((await store.totals()).count, 2);
      assert.equal((await store.stats(alice)).bytes, 9);
      const waiting = [];
      await store.ack(bob, ofBob?.cursor ?? 0n);
      for await (const recipient of store.recipients()) waiting.push(recipient);
      assert.deepEqual(waiting, [alice]);
    });

    it('refuses for a full mailbox by count, with the reason, and keeps what it took', async () => {
      await reopen({ quota: { maxCount: 3 } });
      const results = await Promise.allSettled(range(1, 5).map((n) => store.append(alice, id(n), message(n))));
      assert.deepEqual(
        results.map(({ status }) => status),
        [...['fulfilled', 'fulfilled', 'fulfilled'], ...['rejected', 'rejected']],
      );
      const refused = results[4];
      assert.ok(refused?.status === 'rejected' && isRelayError(refused.reason, 'mailbox-full'));
      assert.match(refused.reason.message, /3 messages/);
      assert.equal((await store.append(alice, id(1), message(1))).duplicate, true);
      await fill(bob, [6]);
      assert.equal((await store.read(alice, 0n)).length, 3);
      const [first] = await store.read(alice, 0n, { count: 1 });
      await store.ack(alice, first?.cursor ?? 0n);
      assert.equal((await store.append(alice, id(4), message(4))).duplicate, false);
    });

    it('refuses by bytes of one mailbox', async () => {
      await reopen({ quota: { maxBytes: 20 } });
      await fill(alice, [1, 2]);
      await assert.rejects(store.append(alice, id(3), message(3)), (error) => isRelayError(error, 'mailbox-full'));
      await fill(bob, [4, 5]);
    });

    it('leaves room to others than the one who fills a mailbox, and takes more of that one when there is room', async () => {
      await reopen({ quota: { maxCount: 8, senderPart: 0.25 } });
      const [first, second] = [known(1), known(2)];
      const append = (n: number, origin: Origin) => store.append(alice, id(n), message(n), origin);
      const { cursor } = await append(1, first);
      await append(2, first);
      await assert.rejects(append(3, first), (error) => {
        assert.ok(isRelayError(error, 'mailbox-full'));
        return /2 messages.*of one sender/.test(error.message);
      });
      assert.equal((await append(1, first)).duplicate, true);
      await append(4, second);
      await store.append(bob, id(5), message(5), first);
      await reopen({ quota: { maxCount: 8, senderPart: 0.25 } });
      await assert.rejects(append(3, first), (error) => isRelayError(error, 'mailbox-full'));
      await store.ack(alice, cursor);
      assert.equal((await append(3, first)).duplicate, false);
      assert.equal((await store.read(alice, 0n)).length, 3);
    });

    it('refuses by bytes of one sender', async () => {
      await reopen({ quota: { maxBytes: 40, senderPart: 0.5 } });
      for (const n of [1, 2]) await store.append(alice, id(n), message(n), known(1));
      await assert.rejects(store.append(alice, id(3), message(3), known(1)), (error) =>
        isRelayError(error, 'mailbox-full'),
      );
      for (const n of [4, 5]) await store.append(alice, id(n), message(n), known(2));
    });

    it('keeps room for known senders, however many strangers there are', async () => {
      await reopen({ quota: { maxCount: 8, senderPart: 1, strangerPart: 0.5 } });
      for (const n of range(1, 4)) await store.append(alice, id(n), message(n), stranger(n));
      await assert.rejects(store.append(alice, id(5), message(5), stranger(5)), (error) => {
        assert.ok(isRelayError(error, 'mailbox-full'));
        return error.message.includes('known senders');
      });
      for (const n of range(6, 9)) await store.append(alice, id(n), message(n), known(6));
      await assert.rejects(store.append(alice, id(10), message(10), known(7)), (error) =>
        isRelayError(error, 'mailbox-full'),
      );
      assert.equal((await store.read(alice, 0n)).length, 8);
    });

    it('keeps room for known senders in all mailboxes together, where strangers fill many', async () => {
      const quota = { maxTotalBytes: 2 ** 20, strangerPart: 0.5 };
      await reopen({ quota });
      const big = new Uint8Array(20_000);
      const boxOf = (n: number): Hex => id(0x1000 + n);
      const append = (n: number, origin: Origin) => store.append(boxOf(n), id(n), big, origin);
      const fillFrom = async (first: number, from: (n: number) => Origin) => {
        for (let n = first; ; n++) {
          const refused = await append(n, from(n)).then(
            () => undefined,
            (error: unknown) => error,
          );
          if (refused !== undefined) return { count: n - first, refused };
        }
      };
      const strange = await fillFrom(1, stranger);
      assert.ok(isRelayError(strange.refused, 'mailbox-full') && strange.refused.message.includes('known senders'));
      assert.ok(strange.count >= 5 && strange.count <= 2 ** 19 / big.length, String(strange.count));
      await reopen({ quota });
      await assert.rejects(append(99, stranger(99)), (error) => isRelayError(error, 'mailbox-full'));
      assert.equal((await append(1, stranger(1))).duplicate, true);
      const first = 100;
      const others = await fillFrom(first, known);
      assert.ok(isRelayError(others.refused, 'mailbox-full'));
      assert.ok(others.count >= strange.count - 1, String(others.count));
      for (const n of [...range(1, strange.count), ...range(first, first + others.count - 1)])
        await store.ack(boxOf(n), 2n ** 64n - 1n);
      await until(() =>
        append(99, stranger(99)).then(
          () => true,
          () => false,
        ),
      );
    });

    it('bounds the mailboxes that hold answers of one sender: those in the oldest make room', async () => {
      const boxOf = (n: number): Hex => id(0x2000 + n);
      const append = (n: number, box: number, sender = 1) =>
        store.append(boxOf(box), id(n), message(n), { ...known(sender), maxBoxes: 3 });
      const boxes = async (): Promise<number> => (await store.totals()).replyBoxes;
      const left = async (box: number): Promise<readonly Hex[]> =>
        (await store.read(boxOf(box), 0n)).map(({ messageId }) => messageId);
      for (const n of [1, 2, 3]) await append(n, n);
      // What has a box already goes on, others have theirs, and messages that are no answers are not counted.
      assert.equal((await append(7, 3)).duplicate, false);
      assert.equal((await append(1, 1)).duplicate, true);
      await append(8, 1, 2);
      await append(20, 1);
      for (const n of [9, 10, 11, 12]) await store.append(boxOf(n), id(n), message(n), known(1));
      assert.equal(await boxes(), 4);

      await append(4, 4);
      assert.deepEqual([await left(1), await left(4)], [[id(8)], [id(4)]]);
      const { count, bytes } = await store.stats(boxOf(1));
      assert.deepEqual([count, bytes > 0], [1, true]);
      // It is known all the same: it comes no second time, and takes no room of the others.
      assert.equal((await append(20, 1)).duplicate, true);
      assert.deepEqual(await left(2), [id(2)]);
      // Two at once open one box.
      await Promise.all([append(5, 5), append(6, 5)]);
      assert.deepEqual([await left(2), (await left(5)).length, await left(3)], [[], 2, [id(3), id(7)]]);
      assert.equal(await boxes(), 4);

      // One that was emptied makes room for the next.
      await store.ack(boxOf(4), 2n ** 64n - 1n);
      await append(13, 13);
      assert.deepEqual([await left(3), await left(13)], [[id(3), id(7)], [id(13)]]);

      await reopen();
      await Promise.all([append(14, 14), append(15, 15)]);
      assert.deepEqual([await left(3), await left(5), await left(13)], [[], [], [id(13)]]);
      for (const n of [1, 13, 14, 15]) await store.ack(boxOf(n), 2n ** 64n - 1n);
      assert.equal(await boxes(), 0);
    });

    it('empties a mailbox that holds more answers than one piece of work deletes', async () => {
      const append = (n: number, box: number) =>
        store.append(id(0x4000 + box), id(n), message(n), { ...known(1), maxBoxes: 1 });
      await reopen({ quota: { senderPart: 1 } });
      await Promise.all(Array.from({ length: 1_100 }, (_, n) => append(n, 1)));
      await append(2_000, 2);
      const { count, replyBoxes } = await store.totals();
      assert.deepEqual([count, replyBoxes], [1, 1]);
    });

    it('forgets of boxes whose answers became too old', async () => {
      let now = 1_000_000;
      await reopen({ retentionMs: 1_000, dedupeMs: 500, now: () => now });
      const append = (n: number) => store.append(id(0x3000 + n), id(n), message(n), { ...known(1), maxBoxes: 2 });
      for (const n of [1, 2]) await append(n);
      now += 1_001;
      assert.deepEqual(await store.sweep(), { expired: 2 });
      assert.equal((await store.totals()).replyBoxes, 0);
      await until(() =>
        append(3).then(
          () => true,
          () => false,
        ),
      );
    });

    it('refuses by bytes of all, keeps what it took, and takes more when there is room', async () => {
      await reopen({ quota: { maxTotalBytes: 2 ** 20 } });
      const big = new Uint8Array(20_000);
      const taken: Hex[] = [];
      let refused: unknown;
      for (let n = 1; refused === undefined; n++)
        await store.append(n % 2 === 0 ? alice : bob, id(n), big).then(
          () => taken.push(id(n)),
          (error: unknown) => (refused = error),
        );
      assert.ok(isRelayError(refused, 'mailbox-full'));
      assert.ok(taken.length >= 10 && taken.length <= 2 ** 20 / big.length);
      const stored = [...(await store.read(alice, 0n)), ...(await store.read(bob, 0n))];
      assert.deepEqual(stored.map(({ messageId }) => messageId).sort(), taken.sort());
      for (const each of [alice, bob]) await store.ack(each, 2n ** 64n - 1n);
      assert.equal((await store.append(alice, id(9_999), big)).duplicate, false);
    });

    it('is not opened with so little room that it would never be ready', async () => {
      await assert.rejects(
        reopen({ quota: { maxTotalBytes: 2 ** 16 - 1 } }),
        (error) => isRelayError(error, 'bad-setting') && error.message.includes('maxTotalBytes'),
      );
    });

    it('tells whether it takes messages, as long as most are, and leaves nothing in any mailbox by trying', async () => {
      await store.check();
      await store.check();
      assert.deepEqual(await store.totals().then(({ recipients, count }) => [recipients, count]), [0, 0]);
      await reopen({ quota: { maxTotalBytes: 2 ** 20 } });
      const big = new Uint8Array(20_000);
      for (let n = 1; n <= 2 ** 20 / big.length; n++) await store.append(alice, id(n), big).catch(() => undefined);
      await assert.rejects(store.check(), (error) => isRelayError(error, 'mailbox-full'));
      await store.ack(alice, 2n ** 64n - 1n);
      await store.check();
    });

    it('ends the retention of old messages, and forgets old ids, but not cursors', async () => {
      let now = 1_000_000;
      await reopen({ retentionMs: 1000, dedupeMs: 500, now: () => now });
      await fill(alice, range(1, 600));
      now += 600;
      const [newest] = await fill(alice, [601]);
      assert.deepEqual(await store.sweep(), { expired: 0 });
      assert.equal((await store.append(alice, id(601), message(601))).duplicate, true);
      now += 401;
      assert.deepEqual(await store.sweep(), { expired: 600 });
      assert.deepEqual(texts(await store.read(alice, 0n)), ['message 601']);
      const again = await store.append(alice, id(1), message(1));
      assert.equal(again.duplicate, false);
      assert.ok(again.cursor > (newest?.cursor ?? 0n));
      const { count, bytes } = await store.stats(alice);
      assert.deepEqual({ count, bytes }, { count: 2, bytes: 20 });
    });

    it('knows of each message whether it was acknowledged, for as long as it knows its id, across a restart', async () => {
      const sentAt = Date.now();
      const { cursor: first } = await store.append(alice, id(1), message(1), known(1), sentAt);
      const { cursor: second } = await store.append(alice, id(2), message(2), known(1), sentAt);
      const found = async (n: number) => (await store.find(alice, id(n), sentAt))?.isAcknowledged;
      // A replica may be asked that is a little behind.
      const becomes = async (n: number, isAcknowledged: boolean) =>
        until(async () => (await found(n)) === isAcknowledged);
      await becomes(1, false);
      await becomes(2, false);
      await store.ack(alice, first);
      await becomes(1, true);
      assert.equal(await found(2), false);
      await reopen();
      await becomes(1, true);
      await becomes(2, false);
      await store.ack(alice, second);
      await becomes(2, true);
      assert.notEqual(await found(3), true);
      // It was another's mailbox that it was in.
      assert.notEqual((await store.find(bob, id(1), sentAt))?.isAcknowledged, true);
    });

    it('takes for acknowledged nothing that its retention has ended', async () => {
      let now = 1_000_000;
      await reopen({ retentionMs: 1_000, dedupeMs: 100_000, now: () => now });
      await store.append(alice, id(1), message(1), known(1), now);
      now += 1_001;
      assert.deepEqual(await store.sweep(), { expired: 1 });
      assert.notEqual((await store.find(alice, id(1), 1_000_000))?.isAcknowledged, true);
    });

    it('tells of acknowledgements of the mailbox only, and up to where if at all, until it is not asked any more', async () => {
      const told: (bigint | undefined)[] = [];
      const leave = store.onAcknowledged(alice, (upTo) => told.push(upTo));
      const [mine] = await fill(alice, [1, 2]);
      await fill(bob, [3]);
      await store.ack(bob, 2n ** 64n - 1n);
      assert.deepEqual(told, []);
      await store.ack(alice, mine?.cursor ?? 0n);
      assert.equal(told.length, 1);
      assert.ok([undefined, mine?.cursor].includes(told[0]));
      leave();
      await store.ack(alice, 2n ** 64n - 1n);
      assert.equal(told.length, 1);
    });

    it('wakes subscribers of the mailbox only, until they leave', async () => {
      let woken = 0;
      const leave = store.subscribe(alice, () => woken++);
      await fill(bob, [1]);
      assert.equal(woken, 0);
      await fill(alice, [2]);
      assert.equal(woken, 1);
      await store.append(alice, id(2), message(2));
      leave();
      await fill(alice, [3]);
      assert.equal(woken, 1);
    });

    it('lets the newest claim read a mailbox, and tells the one before once', async () => {
      const lost: string[] = [];
      await store.claim(alice, () => lost.push('first'));
      const release = await store.claim(alice, () => lost.push('second'));
      await store.claim(bob, () => lost.push('of bob'));
      assert.deepEqual(lost, ['first']);
      release();
      await store.claim(alice, () => lost.push('third'));
      assert.deepEqual(lost, ['first']);
    });

    it('settles what it was given before it closes, and takes nothing after', async () => {
      const appends = fill(alice, range(1, 100));
      await store.close();
      await appends;
      await assert.rejects(store.append(alice, id(101), message(101)), (error) =>
        isRelayError(error, 'mail-store-failed'),
      );
      store = await under.open();
      assert.equal((await store.read(alice, 0n)).length, 100);
    });
  });
}
