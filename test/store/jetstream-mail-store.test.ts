import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect, headers } from '@nats-io/transport-node';
import { after, afterEach, before, describe, it } from 'mocha';
import type { Hex } from '../../src/codec/index.ts';
import { isRelayError } from '../../src/errors/index.ts';
import { openJetStreamMailStore } from '../../src/store/jetstream-mail-store.ts';
import { noticeSubject, shardLayout, shardOf } from '../../src/store/jetstream/layout.ts';
import type { JetStreamMailStoreOptions } from '../../src/store/jetstream/options.ts';
import type { MailStore } from '../../src/store/mail-store.ts';
import { describeNats, startNats, type NatsServer } from '../support/nats-server.ts';
import { until } from '../support/until.ts';

const id = (n: number): Hex => `0x${n.toString(16).padStart(64, '0')}`;
const alice = id(0xa11ce);
const bob = id(0xb0b);
const everything = 2n ** 64n - 1n;
const message = (n: number): Uint8Array => new TextEncoder().encode(`message ${n}`);
const numbers = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, n) => from + n);
const idsOf = (mail: readonly { messageId: Hex }[]): Hex[] => mail.map(({ messageId }) => messageId);

describeNats('MailStore: jetstream between processes', () => {
  let server: NatsServer;
  let name: string;
  const opened: MailStore[] = [];

  const open = async (options: Partial<JetStreamMailStoreOptions> = {}): Promise<MailStore> => {
    const store = await openJetStreamMailStore({ nats: { servers: [server.url] }, name, shards: 2, ...options });
    opened.push(store);
    return store;
  };
  const fill = (store: MailStore, recipient: Hex, all: readonly number[]) =>
    Promise.all(all.map((n) => store.append(recipient, id(n), message(n))));

  before(async () => {
    server = await startNats();
  });
  after(() => server.stop());
  beforeEach(() => {
    name = randomBytes(8).toString('hex');
  });
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((store) => store.close()));
  });

  it('is one store: what one appends the other reads and acknowledges', async () => {
    const [one, two] = await Promise.all([open(), open()]);
    assert.equal(one.generation, two.generation);
    const appended = await fill(one, alice, numbers(1, 20));
    assert.deepEqual(idsOf(await two.read(alice, 0n)), numbers(1, 20).map(id));
    await two.ack(alice, appended[9]?.cursor ?? 0n);
    assert.deepEqual(idsOf(await one.read(alice, 0n)), numbers(11, 20).map(id));
    assert.equal((await one.stats(alice)).acknowledged, appended[9]?.cursor);
  });

  it('stores an id once, whoever appends it, acknowledged or not', async () => {
    const [one, two] = await Promise.all([open(), open()]);
    const results = await Promise.all([one, two, one, two].map((store) => store.append(alice, id(1), message(1))));
    assert.equal(results.filter(({ duplicate }) => !duplicate).length, 1);
    assert.equal(new Set(results.map(({ cursor }) => cursor)).size, 1);
    await one.ack(alice, everything);
    const [first] = results;
    assert.deepEqual(await two.append(alice, id(1), message(1)), { cursor: first?.cursor, duplicate: true });
    assert.deepEqual(await two.read(alice, 0n), []);
  });

  it('wakes who waits at another process', async () => {
    const [one, two] = await Promise.all([open(), open()]);
    let woken = 0;
    two.subscribe(alice, () => woken++);
    await one.append(bob, id(1), message(1));
    await one.append(alice, id(2), message(2));
    await until(() => woken > 0);
    assert.equal(woken, 1);
    assert.deepEqual(idsOf(await two.read(alice, 0n)), [id(2)]);
  });

  it('wakes for what relays of other versions say in other words', async () => {
    const store = await open();
    await store.append(alice, id(1), message(1));
    const nats = await connect({ servers: server.url });
    let woken = 0;
    store.subscribe(bob, () => woken++);
    // As the first versions told of an append: count, bytes, last; and as no version does yet.
    for (const said of ['1 20 7', '9 alice:1:20:7', 'something new']) {
      const before = woken;
      nats.publish(noticeSubject(name, bob), `another-writer ${said}`);
      await until(() => woken > before);
    }
    // What is known of the mailbox is read anew.
    assert.equal((await store.stats(bob)).count, 0);
    await nats.close();
  });

  it('lets one process read a mailbox: the newest claim', async () => {
    const [one, two] = await Promise.all([open(), open()]);
    const lost: string[] = [];
    await one.claim(alice, () => lost.push('one'));
    await two.claim(bob, () => lost.push('of bob'));
    await two.claim(alice, () => lost.push('two'));
    await until(() => lost.length > 0);
    await one.claim(alice, () => lost.push('one again'));
    await until(() => lost.length > 1);
    assert.deepEqual(lost, ['one', 'two']);
  });

  it('keeps nothing of who claims a mailbox that nobody has written to', async () => {
    const store = await open();
    const nats = await connect({ servers: server.url });
    const manager = await jetstreamManager(nats);
    const stored = async (): Promise<number> => {
      const states = await Promise.all([0, 1].map((shard) => manager.streams.info(shardLayout(name, shard).stream)));
      return states.reduce((sum, { state }) => sum + state.messages, 0);
    };
    const before = await stored();
    for (let n = 1; n <= 50; n++) await store.claim(id(n), () => undefined);
    assert.equal(await stored(), before);
    await store.append(alice, id(1), message(1));
    const after = await stored();
    await store.claim(alice, () => undefined);
    assert.equal(await stored(), after + 1);
    await nats.close();
  });

  it('refuses for a mailbox that another process has filled, until it is emptied there', async () => {
    const quota = { maxCount: 10 };
    const [one, two] = await Promise.all([open({ quota }), open({ quota })]);
    await two.append(alice, id(1), message(1));
    await fill(one, alice, numbers(2, 10));
    // What one process has filled the other hears of soon.
    let next = 11;
    await until(() =>
      two.append(alice, id(next), message(next++)).then(
        () => false,
        (error: unknown) => isRelayError(error, 'mailbox-full'),
      ),
    );
    assert.ok(next < 100);
    const third = await open({ quota });
    await assert.rejects(third.append(alice, id(998), message(998)), (error) => isRelayError(error, 'mailbox-full'));
    await one.ack(alice, everything);
    await until(() =>
      two.append(alice, id(999), message(999)).then(
        () => true,
        () => false,
      ),
    );
  });

  it('refuses hundreds at once for a mailbox that is full, and knows those that it has', async () => {
    const store = await open({ quota: { maxCount: 10 } });
    await fill(store, alice, numbers(1, 10));
    const outcomes = await Promise.all(
      numbers(1, 210).map((n) =>
        store.append(alice, id(n), message(n)).then(
          ({ duplicate }) => (duplicate ? 'duplicate' : 'stored'),
          (error: unknown) => (isRelayError(error) ? error.code : String(error)),
        ),
      ),
    );
    assert.deepEqual([...new Set(outcomes.slice(0, 10))], ['duplicate']);
    assert.deepEqual([...new Set(outcomes.slice(10))], ['mailbox-full']);
  });

  it('counts a mailbox that it did not fill itself', async () => {
    const one = await open();
    await Promise.all(numbers(1, 40).map((n) => one.append(alice, id(n), new Uint8Array(n))));
    const two = await open({ quota: { maxBytes: 820 + 10 } });
    const { count, bytes } = await two.stats(alice);
    assert.deepEqual({ count, bytes }, { count: 40, bytes: 820 });
    await assert.rejects(two.append(alice, id(99), new Uint8Array(11)), (error) => isRelayError(error, 'mailbox-full'));
    await two.append(alice, id(99), new Uint8Array(10));
  });

  it('acknowledges what it never read, to any cursor', async () => {
    const store = await open();
    const appended = await fill(store, alice, numbers(1, 1_200));
    const other = await open();
    await other.ack(alice, (appended[1_099]?.cursor ?? 0n) + 0n);
    assert.deepEqual(idsOf(await store.read(alice, 0n)), numbers(1_101, 1_200).map(id));
    assert.equal((await other.append(alice, id(600), message(600))).duplicate, true);
    await other.ack(alice, everything);
    assert.deepEqual(await store.read(alice, 0n), []);
  });

  it('takes a thousand at once, duplicates among them, each once', async () => {
    const store = await open();
    await store.append(alice, id(500), message(500));
    const results = await fill(store, alice, numbers(1, 1_000));
    assert.deepEqual(
      results.flatMap(({ duplicate }, at) => (duplicate ? [at + 1] : [])),
      [500],
    );
    const stored = await store.read(alice, 0n, { count: 2_000 });
    assert.equal(new Set(idsOf(stored)).size, 1_000);
    assert.equal(stored.length, 1_000);
    assert.equal((await store.stats(alice)).count, 1_000);
  });

  it('finishes what a process had begun to acknowledge when it ended', async () => {
    const store = await open();
    const appended = await fill(store, alice, numbers(1, 3));
    await store.close();
    const nats = await connect({ servers: server.url });
    const { mailbox } = shardLayout(name, shardOf(alice, 2)).placeOf(alice);
    const made = headers();
    made.set('Khala-Mail', `${Date.now()} ${appended[1]?.cursor}`);
    made.set('Nats-Rollup', 'sub');
    await nats.request(mailbox, '', { headers: made, timeout: 5_000 });
    await nats.close();
    const next = await open();
    assert.deepEqual(idsOf(await next.read(alice, 0n)), [id(3)]);
    assert.equal((await next.stats(alice)).count, 1);
    assert.equal((await next.totals()).count, 1);
    // It knows their ids, though NATS, started anew, has nothing left of the messages.
    await next.close();
    await server.kill();
    await server.start();
    const last = await open();
    for (const n of [1, 2])
      assert.deepEqual(await last.append(alice, id(n), message(n)), {
        cursor: appended[n - 1]?.cursor,
        duplicate: true,
      });
    assert.deepEqual(idsOf(await last.read(alice, 0n)), [id(3)]);
  });

  it('knows a message that is there already though the mailbox is full, whoever filled it', async () => {
    const one = await open();
    const appended = await fill(one, alice, numbers(1, 12));
    await one.ack(alice, appended[1]?.cursor ?? 0n);
    const two = await open({ quota: { maxCount: 10 } });
    assert.deepEqual(await two.append(alice, id(7), message(7)), { cursor: appended[6]?.cursor, duplicate: true });
    assert.deepEqual(await two.append(alice, id(1), message(1)), { cursor: appended[0]?.cursor, duplicate: true });
    await assert.rejects(two.append(alice, id(13), message(13)), (error) => isRelayError(error, 'mailbox-full'));
    assert.deepEqual(idsOf(await one.read(alice, 0n)), numbers(3, 12).map(id));
  });

  it('takes one id for two recipients of a stream', async () => {
    const store = await open({ shards: 1 });
    const appended = await Promise.all([alice, bob].map((each) => store.append(each, id(1), message(1))));
    assert.deepEqual(
      appended.map(({ duplicate }) => duplicate),
      [false, false],
    );
    await store.ack(alice, everything);
    assert.deepEqual(await store.append(bob, id(1), message(1)), { ...appended[1], duplicate: true });
    assert.deepEqual(idsOf(await store.read(bob, 0n)), [id(1)]);
  });

  it('takes an id anew each time that it was forgotten, though NATS still knows it', async () => {
    let now = Date.now();
    const store = await open({ dedupeMs: 60_000, now: () => now });
    const cursors: bigint[] = [];
    for (let round = 0; round < 3; round++) {
      const { cursor, duplicate } = await store.append(alice, id(1), message(round));
      assert.equal(duplicate, false);
      assert.deepEqual(await store.append(alice, id(1), message(round)), { cursor, duplicate: true });
      assert.deepEqual(
        (await store.read(alice, 0n)).map((mail) => [mail.messageId, mail.cursor]),
        [[id(1), cursor]],
      );
      await store.ack(alice, cursor);
      assert.deepEqual(await store.append(alice, id(1), message(round)), { cursor, duplicate: true });
      cursors.push(cursor);
      now += 61_000;
    }
    assert.equal(new Set(cursors).size, 3);
  });

  it('refuses streams that an older version laid out, and says what to do', async () => {
    const nats = await connect({ servers: server.url });
    const manager = await jetstreamManager(nats);
    const root = `khala.${name}.0`;
    await manager.streams.add({
      name: `KHALA_${name}_0`,
      subjects: [`${root}.m.*.*`, `${root}.t.*.*`, `${root}.s.*`, `${root}.c.*`],
      metadata: { 'khala-shards': '1', 'khala-tag': '0x00' },
      ...{ allow_direct: true, allow_atomic: true, allow_msg_ttl: true, allow_rollup_hdrs: true },
    });
    await nats.close();
    await assert.rejects(
      open(),
      (error) =>
        isRelayError(error, 'nats-failed') && /layout 1 of a mail store, .* reads 2: let .* delete/.test(error.message),
    );
  });

  it('takes up streams of an earlier version, which had fewer subjects, with what is in them', async () => {
    const before = await open();
    await before.append(alice, id(1), message(1));
    await before.close();
    const nats = await connect({ servers: server.url });
    const manager = await jetstreamManager(nats);
    for (const shard of [0, 1]) {
      const { stream, subjects } = shardLayout(name, shard);
      await manager.streams.update(stream, { subjects: subjects.filter((subject) => !subject.includes('.o.')) });
    }
    await nats.close();
    const store = await open();
    await store.append(bob, id(2), message(2), { sender: alice, isKnown: true, maxBoxes: 1 });
    assert.equal((await store.totals()).replyBoxes, 1);
    assert.deepEqual(idsOf(await store.read(alice, 0n)), [id(1)]);
  });

  it('keeps two stores on one NATS apart', async () => {
    const one = await open();
    const two = await open({ name: `${name}x` });
    await one.append(alice, id(1), message(1));
    assert.deepEqual(await two.read(alice, 0n), []);
    assert.notEqual(one.generation, two.generation);
  });
});

describeNats('MailStore: jetstream when nats-server is killed', () => {
  let server: NatsServer;
  let store: MailStore;
  const open = () => openJetStreamMailStore({ nats: { servers: [server.url] }, name: 'killed', shards: 2 });

  beforeEach(async () => {
    server = await startNats();
    store = await open();
  });
  afterEach(async () => {
    await store.close();
    await server.stop();
  });

  it('keeps what it took, and knows the ids of what was acknowledged', async () => {
    for (const n of numbers(1, 50)) await store.append(alice, id(n), message(n));
    const [first, second] = await store.read(alice, 0n);
    await store.ack(alice, second?.cursor ?? 0n);
    await server.kill();
    await server.start();
    const again = await Promise.all(numbers(1, 50).map((n) => store.append(alice, id(n), message(n))));
    assert.ok(again.every(({ duplicate }) => duplicate));
    assert.equal(again[0]?.cursor, first?.cursor);
    assert.deepEqual(idsOf(await store.read(alice, 0n)), numbers(3, 50).map(id));
  });

  it('waits for it, and does then what was asked for', async () => {
    await store.append(alice, id(1), message(1));
    await server.kill();
    const waiting = Promise.all([
      store.append(alice, id(2), message(2)),
      store.append(bob, id(3), message(3)),
      store.ack(alice, everything),
    ]);
    await server.start();
    const [second, third] = await waiting;
    assert.deepEqual([second.duplicate, third.duplicate], [false, false]);
    assert.equal((await store.read(bob, 0n)).length, 1);
  });

  it('gives up after its time, with the reason', async () => {
    await store.close();
    store = await openJetStreamMailStore({ nats: { servers: [server.url] }, name: 'killed', timeoutMs: 500 });
    await server.kill();
    await Promise.all(
      [store.append(alice, id(1), message(1)), store.read(alice, 0n), store.ack(alice, 1n), store.totals()].map(
        (each) => assert.rejects(each, (error) => isRelayError(error, 'mail-store-failed')),
      ),
    );
    await server.start();
  });

  it('looks after it came back for what it may have missed', async () => {
    const other = await open();
    let woken = 0;
    const lost: string[] = [];
    store.subscribe(alice, () => woken++);
    await store.claim(alice, () => lost.push('claim'));
    await server.kill();
    await server.start();
    await until(() => woken > 0);
    await other.claim(alice, () => undefined);
    await until(() => lost.length > 0);
    await other.close();
  });
});

describe('MailStore: jetstream, refused', () => {
  const failed = (reason: RegExp) => (error: unknown) =>
    isRelayError(error, 'nats-failed') && reason.test(error.message) && !error.message.includes('secret');

  it('names the servers that do not answer', async () => {
    const nats = { servers: ['nats://127.0.0.1:1'], connectTimeoutMs: 1_000 };
    await assert.rejects(openJetStreamMailStore({ nats, name: 'x' }), failed(/127\.0\.0\.1:1/));
  });

  it('takes no secret in a URL, and does not repeat it', async () => {
    for (const server of ['nats://user:secret@127.0.0.1:4222', 'http://127.0.0.1', 'localhost', ''])
      await assert.rejects(openJetStreamMailStore({ nats: { servers: [server] }, name: 'x' }), failed(/nats:\/\/HOST/));
    await assert.rejects(openJetStreamMailStore({ nats: { servers: [] }, name: 'x' }), failed(/no server/));
  });

  it('takes no name that is no part of a subject', async () => {
    for (const name of ['', 'a.b', 'a b', '*', 'x'.repeat(65)])
      await assert.rejects(openJetStreamMailStore({ nats: { servers: ['nats://127.0.0.1:1'] }, name }), (error) =>
        isRelayError(error, 'bad-value'),
      );
  });
});
