import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { AckPolicy, jetstream, jetstreamManager, type JsMsg } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { toHex, type Hex } from '../../src/codec/index.ts';
import type * as Root from '../../src/index.ts';
import { startNats } from '../../test/support/nats-server.ts';
import { median, rounded, type Result } from '../harness.ts';

/** As it is packed: run from its sources, a loader gives names to functions, which takes as long as what they do. */
const { openJetStreamMailStore } = (await import(new URL('../../dist/index.js', import.meta.url).href)) as typeof Root;

const rounds = 7;
const messages = 6_000;
const recipients = 32;
/** Of a SignedEnvelope with a body of 256 bytes. */
const messageBytes = 560;
const inFlight = 256;
/** Recipients that read at once, and messages that each acknowledges together. */
const readers = 8;
const page = 64;

/** Messages a second of each step. */
interface Rates {
  readonly append: number;
  readonly read: number;
  readonly all: number;
}

interface Side {
  append(recipient: number): Promise<unknown>;
  /** Reads and acknowledges a whole mailbox; gives how many messages that were. */
  drain(recipient: number): Promise<number>;
  /** Messages that are stored. */
  left(): Promise<number>;
}

/** One nats-server; both sides with one stream of the same settings, in turns in this process. */
export async function jetstreamBench(): Promise<readonly Result[]> {
  await using server = await startNats();
  await using ours = await openOurs(server.url);
  await using bare = await openBare(server.url);
  const measured: { readonly ours: Rates; readonly bare: Rates }[] = [];
  for (let round = -1; round < rounds; round++) {
    const first = round % 2 === 0 ? await ratesOf(ours) : undefined;
    const bareRates = await ratesOf(bare);
    const both = { ours: first ?? (await ratesOf(ours)), bare: bareRates };
    if (round >= 0) measured.push(both);
  }
  return (['all', 'append', 'read'] as const).map((step) => ({
    name: step === 'all' ? 'relay/jetstream' : `relay/jetstream-${step}`,
    ours: rounded(median(measured.map((each) => each.ours[step]))),
    baseline: rounded(median(measured.map((each) => each.bare[step]))),
    ratio: rounded(median(measured.map((each) => each.ours[step] / each.bare[step]))),
    unit: 'messages/s',
  }));
}

async function ratesOf(side: Side): Promise<Rates> {
  const start = performance.now();
  await inParallel(inFlight, messages, (n) => side.append(n % recipients));
  const appended = performance.now();
  let drained = 0;
  await inParallel(readers, recipients, async (recipient) => {
    const count = await side.drain(recipient);
    drained += count;
  });
  const end = performance.now();
  assert.deepEqual({ drained, left: await side.left() }, { drained: messages, left: 0 });
  const rate = (ms: number): number => (messages * 1_000) / ms;
  return { append: rate(appended - start), read: rate(end - appended), all: rate(end - start) };
}

async function inParallel(lanes: number, count: number, work: (n: number) => Promise<unknown>): Promise<void> {
  let next = 0;
  await Promise.all(
    Array.from({ length: lanes }, async () => {
      while (next < count) await work(next++);
    }),
  );
}

async function openOurs(url: string): Promise<Side & AsyncDisposable> {
  const store = await openJetStreamMailStore({ nats: { servers: [url] }, name: 'bench', shards: 1 });
  const boxes: readonly Hex[] = Array.from({ length: recipients }, () => toHex(randomBytes(32)));
  const senders: readonly Hex[] = Array.from({ length: 100 }, () => toHex(randomBytes(32)));
  let appended = 0;
  const box = (recipient: number): Hex => boxes[recipient] ?? assert.fail();
  return {
    append: (recipient) => {
      const sender = senders[appended++ % senders.length] ?? assert.fail();
      const origin = { sender, isKnown: true };
      return store.append(box(recipient), toHex(randomBytes(32)), randomBytes(messageBytes), origin);
    },
    // As the relay does it: what is read during an acknowledgement shares the next one.
    async drain(recipient) {
      let count = 0;
      let after = 0n;
      let acknowledged = 0n;
      let acknowledging: Promise<void> | undefined;
      const acknowledge = async (): Promise<void> => {
        while (acknowledged < after) await store.ack(box(recipient), (acknowledged = after));
        acknowledging = undefined;
      };
      for (;;) {
        const mail = await store.read(box(recipient), after, { count: page });
        const last = mail.at(-1);
        if (last === undefined) break;
        count += mail.length;
        after = last.cursor;
        acknowledging ??= acknowledge();
      }
      await acknowledging;
      return count;
    },
    left: async () => (await store.totals()).count,
    [Symbol.asyncDispose]: () => store.close(),
  };
}

/**
 * What a program would do with the client alone: deduplication by NATS, a durable consumer for each recipient, one
 * acknowledgement for a page, and a purge of what is acknowledged.
 */
async function openBare(url: string): Promise<Side & AsyncDisposable> {
  const connection = await connect({ servers: url });
  const manager = await jetstreamManager(connection);
  const client = jetstream(connection);
  const { config } = await manager.streams.info('KHALA_bench_0');
  const stream = 'BARE';
  await manager.streams.add({ ...config, name: stream, subjects: ['bare.*'] });
  const consumers = await Promise.all(
    Array.from({ length: recipients }, async (_, recipient) => {
      const name = `reader-${recipient}`;
      await manager.consumers.add(stream, {
        durable_name: name,
        filter_subject: `bare.${recipient}`,
        ack_policy: AckPolicy.All,
        max_ack_pending: messages,
      });
      return client.consumers.get(stream, name);
    }),
  );
  return {
    append: (recipient) =>
      client.publish(`bare.${recipient}`, randomBytes(messageBytes), { msgID: randomBytes(32).toString('base64url') }),
    async drain(recipient) {
      const consumer = consumers[recipient] ?? assert.fail();
      let count = 0;
      let last: JsMsg | undefined;
      for (let pending = (await consumer.info()).num_pending; pending > 0;) {
        for await (const message of await consumer.fetch({ max_messages: Math.min(page, pending) })) {
          last = message;
          pending = message.info.pending;
          count += 1;
        }
        last?.ack();
      }
      await last?.ackAck();
      await manager.streams.purge(stream, { filter: `bare.${recipient}`, seq: (last?.seq ?? 0) + 1 });
      return count;
    },
    left: async () => (await manager.streams.info(stream)).state.messages,
    [Symbol.asyncDispose]: () => connection.close(),
  };
}
