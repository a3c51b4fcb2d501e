import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'mocha';
import { pino } from 'pino';
import { RelayError } from '../../src/errors/index.ts';
import { replyBox } from '../../src/relay/reply-box.ts';
import { until } from '../support/until.ts';
import { RawSocket } from './raw-socket.ts';
import { alice, bob, Cleanup, message, type Entity } from './support.ts';

/** A promise and what resolves it. */
function gate(): { readonly opened: Promise<void>; readonly open: () => void } {
  let open = (): void => undefined;
  const opened = new Promise<void>((resolve) => (open = resolve));
  return { opened, open };
}

const key = (n: number): Uint8Array => Uint8Array.from({ length: 32 }, (_, at) => (n >> (8 * (at % 4))) & 0xff);

describe('relay: one connection that floods reply boxes', () => {
  const cleanup = new Cleanup();
  afterEach(() => cleanup.run());

  const proven = async (url: string, who: Entity = alice): Promise<RawSocket> => {
    const raw = await RawSocket.open(url, cleanup);
    await raw.prove(who);
    return raw;
  };

  it('has one acknowledgement at a time in the store, and is not read from while many wait', async () => {
    const mailStore = await cleanup.store();
    const held = gate();
    let [running, most, acks] = [0, 0, 0];
    mailStore.ack = async () => {
      most = Math.max(most, ++running);
      acks++;
      await held.opened;
      running--;
    };
    const relay = await cleanup.relay({ mailStore, limits: { window: 16 } });
    const raw = await proven(relay.url);
    const count = 8_000;
    for (let n = 0; n < count; n++) raw.send({ type: 'reply-done', senderKey: key(n), upTo: 1n });
    await until(() => acks === 1);
    // Answered only when all before it was read.
    raw.send({ type: 'challenge-me', id: 5 });
    const other = await RawSocket.open(relay.url, cleanup);
    await other.challenge();
    assert.equal(raw.all('challenge').length, 1);
    assert.equal(most, 1);
    held.open();
    await raw.next('challenge', 1);
    assert.equal(most, 1);
    assert.equal(raw.closeCode, undefined);
  });

  it('looks into a box once at a time, however often it asks, and is answered all the same', async () => {
    const mailStore = await cleanup.store();
    const held = gate();
    const read = mailStore.read.bind(mailStore);
    let [running, most] = [0, 0];
    mailStore.read = async (...args) => {
      most = Math.max(most, ++running);
      await held.opened;
      running--;
      return read(...args);
    };
    const relay = await cleanup.relay({ mailStore });
    const raw = await proven(relay.url);
    for (let id = 1; id <= 2_000; id++) raw.send({ type: 'await-reply', id, senderKey: key(1), after: 0n });
    await raw.challenge(5);
    assert.equal(most, 1);
    const { id, bytes } = message(bob, alice);
    await mailStore.append(replyBox(alice.identity, key(1)), id, bytes);
    held.open();
    assert.equal((await raw.next('reply')).id, 2_000);
    assert.equal(most, 1);
  });

  it('keeps to the bound of awaited boxes also when it gives up what is still looked for', async () => {
    const mailStore = await cleanup.store();
    let running = 0;
    mailStore.read = () => {
      running++;
      return new Promise(() => undefined);
    };
    const relay = await cleanup.relay({ mailStore, limits: { maxAwaitedReplies: 8 } });
    const raw = await proven(relay.url);
    for (let n = 1; n <= 50; n++) {
      raw.send({ type: 'await-reply', id: n, senderKey: key(n), after: 0n });
      raw.send({ type: 'reply-done', senderKey: key(n), upTo: 0n });
    }
    await raw.next('error', 41);
    assert.deepEqual(new Set(raw.all('error').map(({ code }) => code)), new Set(['relay-busy']));
    assert.equal(running, 8);
  });

  it('keeps no others from their answers, together with seven of other addresses', async () => {
    const relay = await cleanup.relay({ limits: { maxAwaitedInAll: 16 } });
    const others: RawSocket[] = [];
    for (let n = 0; n < 8; n++) {
      const other = await RawSocket.open(relay.url, cleanup, { localAddress: `127.0.0.${n + 2}` });
      others.push(other);
      await other.prove(alice);
      for (const id of [5, 6]) other.send({ type: 'await-reply', id, senderKey: key(id), after: 0n });
      await other.challenge();
    }
    const asker = await proven(relay.url, bob);
    asker.send({ type: 'await-reply', id: 7, senderKey: key(1), after: 0n });
    await asker.challenge();
    assert.deepEqual(asker.all('error'), []);
    assert.deepEqual(
      others.flatMap((other) => other.all('error')).map(({ id, code }) => [id, code]),
      [[5, 'relay-busy']],
    );
    const { id, bytes } = message(alice, bob);
    const origin = { sender: alice.identity, isKnown: true, maxBoxes: 8 };
    await relay.mailStore.append(replyBox(bob.identity, key(1)), id, bytes, origin);
    assert.equal((await asker.next('reply')).id, 7);
  });

  it('is held to the rate of its address', async () => {
    // Challenge and proof take two.
    const rate = { perSecond: 0.001, burst: 22 };
    const mailStore = await cleanup.store();
    const relay = await cleanup.relay({ mailStore, limits: { perAddress: rate } });
    const seen = { acks: 0, reads: 0 };
    const read = mailStore.read.bind(mailStore);
    mailStore.read = (...args) => {
      seen.reads += 1;
      return read(...args);
    };
    mailStore.ack = () => {
      seen.acks += 1;
      return Promise.resolve();
    };
    const raw = await proven(relay.url);
    for (let n = 0; n < 10; n++) raw.send({ type: 'reply-done', senderKey: key(n), upTo: 1n });
    await until(() => seen.acks === 10);
    for (let n = 1; n <= 50; n++) raw.send({ type: 'await-reply', id: n, senderKey: key(n), after: 0n });
    await until(() => seen.reads === 10);
    raw.send({ type: 'reply-done', senderKey: key(99), upTo: 1n });
    // One that came later is greeted, and its answer would come after these.
    await RawSocket.open(relay.url, cleanup);
    assert.deepEqual(seen, { acks: 10, reads: 10 });
    assert.deepEqual(raw.all('error'), []);
  });
});

describe('relay: a worker that answers into many reply boxes', () => {
  const cleanup = new Cleanup();
  afterEach(() => cleanup.run());

  it('loses what it left in the oldest, which the metrics show, and is never silenced', async () => {
    const relay = await cleanup.relay({ recipients: [bob.identity], limits: { maxReplyBoxes: 2 } });
    const worker = await RawSocket.open(relay.url, cleanup);
    await worker.prove(bob);
    const post = (n: number): void => {
      const { bytes } = message(bob, alice, { header: { recipientKey: key(n) } });
      worker.send({ type: 'post-reply', id: n, signedEnvelope: bytes });
    };
    for (const n of [1, 2]) post(n);
    await worker.next('receipt', 1);
    post(3);
    await worker.next('receipt', 2);
    const metrics = await (await fetch(`${relay.url}/metrics`)).text();
    assert.match(metrics, /^khala_relay_reply_boxes 2$/m);

    const asker = await RawSocket.open(relay.url, cleanup);
    await asker.prove(alice);
    asker.send({ type: 'await-reply', id: 7, senderKey: key(3), after: 0n });
    const { cursor } = await asker.next('reply');
    asker.send({ type: 'reply-done', senderKey: key(3), upTo: cursor });
    await until(async () => (await relay.mailStore.totals()).replyBoxes === 1);
    post(4);
    await worker.next('receipt', 3);
    // The one before is there still.
    assert.equal((await relay.mailStore.read(replyBox(alice.identity, key(2)), 0n)).length, 1);
  });
});

describe('relay: failures of its own', () => {
  const cleanup = new Cleanup();
  afterEach(() => cleanup.run());

  it('that end a connection are logged as they are, and told without their cause', async () => {
    const lines: string[] = [];
    const logger = pino({ level: 'error' }, { write: (line: string) => lines.push(line) });
    const mailStore = await cleanup.store();
    mailStore.read = () =>
      Promise.reject(new RelayError('mail-store-failed', { details: { action: 'read', reason: 'disk on fire' } }));
    const relay = await cleanup.relay({ mailStore, logger });
    const raw = await RawSocket.open(relay.url, cleanup);
    await raw.login(bob);
    raw.send({ type: 'credit', deliveries: 1 });
    assert.equal(await raw.closed(), 1008);
    const [error] = raw.all('error');
    assert.equal(error?.code, 'relay-failed');
    assert.doesNotMatch(JSON.stringify(error), /fire/);
    assert.match(lines.join(''), /disk on fire/);
  });
});
