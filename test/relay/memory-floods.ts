import assert from 'node:assert/strict';
import { it } from 'mocha';
import { decodeSignedEnvelope, encodeMessageBatch, encodeSignedEnvelope } from '../../src/codec/index.ts';
import { encodeRelayFrame } from '../../src/relay/relay-frames.ts';
import { until } from '../support/until.ts';
import { lyingRelay } from './lying-relay.ts';
import { mebibyte, memoryStand, slack, unlimited, type Started, type StorageOptions } from './memory-stand.ts';
import { alice, bob, carol, entity, message, type Cleanup } from './support.ts';

/** What holds wherever a relay keeps its mail. */
export function memoryFloods(cleanup: Cleanup, storage: () => StorageOptions): void {
  const { start, grown, metric, peer, each } = memoryStand(cleanup);
  const partSize = 250;

  /** Answers to batches of what is made for it, and what the relay holds afterwards. */
  const flood = async ({ url, tell }: Started, parts: number, make: (part: number, n: number) => Uint8Array) => {
    const answers: string[] = [];
    for (let part = 0; part < parts; part++) {
      const items = Array.from({ length: partSize }, (_, n) => make(part, n));
      const got = await fetch(`${url}/v1/messages`, {
        method: 'POST',
        headers: { 'content-type': 'application/vnd.khala-relay.batch' },
        body: Uint8Array.from(encodeMessageBatch(items)),
      });
      const { results } = (await got.json()) as { readonly results: readonly { status: string; code?: string }[] };
      answers.push(...results.map(({ status, code }) => code ?? status));
    }
    return { answers, held: await tell({ type: 'held' }) };
  };

  /** Bytes that are held more after rounds of what is refused with these codes alone. */
  const heldMore = async (
    relay: Started,
    { codes, parts }: { readonly codes: readonly string[]; readonly parts: number },
    make: (round: number, part: number, n: number) => Uint8Array,
  ): Promise<number> => {
    const held: number[] = [];
    for (let round = 1; round <= 6; round++) {
      const { answers, held: now } = await flood(relay, parts, (part, n) => make(round, part, n));
      assert.deepEqual([...new Set(answers)].sort(), codes);
      held.push(now);
    }
    // The least of three: what it does meanwhile comes and goes.
    return Math.min(...held.slice(3)) - Math.min(...held.slice(0, 3));
  };

  it('keeps nothing of what it refuses for a mailbox that is full, of senders that nobody knows or that are forged', async () => {
    const limits = { perAddress: unlimited, perRecipient: unlimited, maxTracked: 500 };
    const quota = { maxCount: 600, strangerPart: 0.5 };
    // Who is registered is known; nobody of these is.
    const forwarding = { entities: [carol], endpoint: 'http://127.0.0.1:1' };
    const relay = await start(limits, [bob], forwarding, { ...storage(), quota });
    /** Each from a key made for it; the second of two is not signed by it. */
    const make = (round: number, part: number, n: number): Uint8Array => {
      const { bytes } = message(entity(`made ${round} ${part} ${n}`), bob);
      const { identity, signature, envelope } = decodeSignedEnvelope(bytes);
      return n % 2 === 0 ? bytes : encodeSignedEnvelope({ identity, signature: signature.toReversed(), envelope });
    };
    const { answers } = await flood(relay, 4, (part, n) => make(0, part, n));
    assert.equal(answers.filter((answer) => answer === 'stored').length, 300);
    const more = await heldMore(relay, { codes: ['bad-signature', 'mailbox-full'], parts: 4 }, make);
    assert.ok(more < 3 * 4 * partSize * 256, `${more} bytes`);
  });

  it('keeps no more queues to other relays than it may, and nothing of what it refuses, whoever sends', async () => {
    const others = Array.from({ length: 16 }, (_, n) => entity(`other ${n}`));
    // Nobody answers there.
    const forwarding = { entities: others, endpoint: 'http://127.0.0.1:1' };
    const limits = { perAddress: unlimited, maxForwardQueues: 1_000, maxTracked: 500 };
    const relay = await start(limits, [bob], forwarding, storage());
    /** Each from a key made for it. */
    const make = (round: number, part: number, n: number): Uint8Array =>
      message(entity(`made ${round} ${part} ${n}`), others[n % others.length] ?? bob).bytes;
    const { answers } = await flood(relay, 8, (part, n) => make(0, part, n));
    // Half of them is for known senders.
    assert.equal(answers.filter((answer) => answer === 'forwarded').length, 500);
    const more = await heldMore(relay, { codes: ['mailbox-full'], parts: 8 }, make);
    // One queue takes several times as much.
    assert.ok(more < 3 * 8 * partSize * 256, `${more} bytes`);
  });

  it('stays bounded by tunnels to an end that says much and is not read', async () => {
    const [tunnels, replies, size] = [64, 100, 200_000];
    const reply = encodeRelayFrame({ type: 'reply', id: 9, cursor: 1n, signedEnvelope: new Uint8Array(size) });
    const far = await lyingRelay(cleanup, (_, { socket }) => {
      for (let n = 0; n < replies; n++) socket.send(reply);
    });
    const limits = { perAddress: unlimited, maxUnreadBytes: 16 * mebibyte, slowReaderMs: 2_000 };
    const relay = await start(limits, [bob], { entities: [alice], endpoint: far.url }, storage());
    const query = new URLSearchParams({ recipient: alice.identity, endpoint: far.url }).toString();
    const more = await grown(relay, async () => {
      const peers = await each(tunnels, (address) => peer(relay.url, address, `/v1/tunnel?${query}`));
      for (const { socket, send } of peers) {
        socket.pause();
        send({ type: 'challenge-me', id: 1 });
      }
      const cut = () => metric(relay.url, 'tunnels_total{reason="slow-reader"}');
      await until(async () => (await cut()) === tunnels);
    });
    // Of each, 64 KiB that are not counted, and what was under way from the other end, twice.
    assert.ok(more < (16 + tunnels * 0.5) * mebibyte + slack, `${more / mebibyte} MiB`);
  });
}
