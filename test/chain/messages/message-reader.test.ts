import assert from 'node:assert/strict';
import { BehaviorSubject } from 'rxjs';
import type { BlockId, Head, OutboundMessage } from '../../../src/chain/index.ts';
import { LatestValue } from '../../../src/chain/head/latest-value.ts';
import { OversizedAnswer } from '../../../src/chain/storage/oversized-answer.ts';
import { MessageReader, type MessageReaderParts } from '../../../src/chain/messages/message-reader.ts';
import type { Fork } from '../../../src/chain/quorum/fork-witness.ts';
import type { Hex } from '../../../src/codec/index.ts';

const hash = (byte: number): Hex => `0x${byte.toString(16).padStart(2, '0').repeat(32)}`;
const head = { number: 7, hash: hash(7), parentHash: hash(6), stateRoot: hash(1) };
const topic = Uint8Array.of(1, 2, 3);

describe('MessageReader', () => {
  it('decodes messages of another layout from the bytes that were proven, and asks no node for them again', async () => {
    // One message of a sender that no known layout has.
    const value = Uint8Array.of(4, 99, 12, 1, 2, 3);
    const message: OutboundMessage = {
      sender: { kind: 'other', name: 'Novel' },
      destination: topic,
      payload: Uint8Array.of(9),
    };
    const decoded: [Hex, Uint8Array][] = [];
    let reads = 0;
    const reader = new MessageReader({
      values: {
        read: async (anchors: readonly { stateRoot: Hex | undefined }[]) => {
          reads += 1;
          return anchors.map((block) => ({ block, value, isProven: block.stateRoot !== undefined }));
        },
      },
      decode: async (block: Hex, bytes: Uint8Array) => {
        decoded.push([block, bytes]);
        return [message, { ...message, destination: Uint8Array.of(4) }];
      },
      // What is not used here is left out.
    } as unknown as MessageReaderParts);
    const messages = await reader.at(head, { topics: [topic], verify: true });
    assert.deepEqual(decoded, [[head.hash, value]]);
    assert.equal(reads, 1);
    const { number } = head;
    assert.deepEqual(messages, [{ ...message, block: { number, hash: head.hash }, proven: false }]);
  });

  /** Reads blocks of 16 KiB each up to `last` of a node that sends `atOnce(number)` of them at most. */
  async function readingLarge(last: number, atOnce: (number: number) => number) {
    const each = 2 ** 14;
    const block = (number: number): Head => ({
      ...{ number, hash: hash(number % 250), parentHash: hash((number - 1) % 250), stateRoot: hash(1) },
    });
    const heads$ = new BehaviorSubject({ head: block(last), session: 1, url: 'ws://node.example' });
    const refused: number[] = [];
    const read: number[] = [];
    let underWay = 0;
    let most = 0;
    const reader = new MessageReader({
      connection: {
        ...{ options: { endpoints: ['ws://node.example'] }, stopped: new AbortController().signal },
        session: () => Promise.resolve({ id: 1 }),
      },
      values: {
        blocksAtOnce: 64,
        enter: () => ({ [Symbol.dispose]: () => undefined }),
        read: async (anchors: readonly BlockId[]) => {
          if (anchors.length > atOnce(anchors[0]?.number ?? 0)) {
            refused.push(anchors.length);
            throw new OversizedAnswer('a test');
          }
          read.push(anchors.length);
          most = Math.max(most, ++underWay);
          for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
          underWay -= 1;
          return anchors.map((anchor) => ({ block: anchor, value: new Uint8Array(each), isProven: false }));
        },
      },
      hashes: {
        of: (first: number, through: number) =>
          Promise.resolve({
            hashes: Array.from({ length: through - first + 1 }, (_, i) => block(first + i).hash),
            url: 'ws://node.example',
          }),
      },
      listen: () => new LatestValue(heads$, () => undefined),
      // What is not used here is left out.
    } as unknown as MessageReaderParts);
    let through = 3;
    for await (const span of reader.follow(block(3), { topics: [topic], verify: false })) {
      assert.ok(span.through.number > through, 'in order');
      through = span.through.number;
      if (through === last) break;
    }
    return { refused, read, most };
  }

  it('reads blocks that are together more than a node sends a few at a time, several at once, and learns by that', async () => {
    const { refused, most } = await readingLarge(256, () => 16);
    assert.ok(most > 1 && most <= 8, `${most} at once`);
    // Those that were under way when it was learnt how much is too large, and not one of each size again and again.
    assert.ok(refused.length <= 5, refused.join());
  });

  it('reads as many at once again as it did where another node sends more, and asks seldom for too many where none does', async () => {
    const { read } = await readingLarge(1_500, (number) => (number < 256 ? 16 : 64));
    assert.ok(
      read.slice(-8).some((blocks) => blocks >= 32),
      read.join(),
    );
    const { refused } = await readingLarge(3_000, () => 16);
    assert.ok(refused.length < 3_000 / 16 / 8, refused.join());
  });

  describe('who lists other blocks than were read', () => {
    const block = (number: number): Head => ({
      ...{ number, hash: hash(number % 250), parentHash: hash((number - 1) % 250), stateRoot: hash(1) },
    });
    const [teller, liar] = ['ws://teller.example', 'ws://liar.example'];

    /** Runs that nodes give, each once, the next ones being true. */
    function reading(lies: readonly (number | undefined)[], newest: readonly number[]) {
      const judged: Fork[] = [];
      const distrusted: string[] = [];
      let forgotten = 0;
      let runs = 0;
      const heads$ = new BehaviorSubject({ head: block(newest[0]!), session: 1, url: teller });
      const told = [...newest.slice(1)];
      const goOn = (): void => {
        const next = told.shift();
        if (next !== undefined) heads$.next({ head: block(next), session: 1, url: teller });
      };
      const reader = new MessageReader({
        connection: {
          ...{ options: { endpoints: [teller, liar] }, stopped: new AbortController().signal },
          session: () => Promise.resolve({ id: 1 }),
          distrust: (url: string) => (distrusted.push(url), goOn(), true),
        },
        values: {
          blocksAtOnce: 64,
          enter: () => ({ [Symbol.dispose]: () => undefined }),
          read: (anchors: readonly BlockId[]) =>
            Promise.resolve(anchors.map((each) => ({ block: each, value: undefined, isProven: false }))),
        },
        hashes: {
          forget: () => {
            forgotten += 1;
          },
          of: (first: number, last: number) => {
            const wrong = lies[runs++];
            const hashes = Array.from({ length: last - first + 1 }, (_, i) => block(first + i).hash);
            return Promise.resolve(
              wrong === undefined
                ? { hashes, url: teller }
                : { hashes: hashes.with(wrong - first, hash(255)), url: liar },
            );
          },
        },
        forks: { judge: (fork: Fork) => (judged.push(fork), goOn(), Promise.resolve('passed')) },
        listen: () => new LatestValue(heads$, () => undefined),
        // What is not used here is left out.
      } as unknown as MessageReaderParts);
      const until = async (number: number): Promise<void> => {
        for await (const { through } of reader.follow(block(3), { topics: [topic], verify: false }))
          if (typeof through !== 'function' && through.number === number) return;
      };
      return { until, judged, distrusted, forgotten: () => forgotten };
    }

    it('is judged by that, not who told of a head; it is listed anew, and the stream goes on', async () => {
      const { until, judged, distrusted, forgotten } = reading([3], [8, 9]);
      await until(9);
      assert.deepEqual(judged, [{ given: block(3), giver: '', teller: liar }]);
      assert.deepEqual(distrusted, []);
      assert.equal(forgotten(), 1);
    });

    it('is not judged where two disagree on later ones: another is used', async () => {
      // The second run begins with the last block of the first one.
      const { until, judged, distrusted, forgotten } = reading([undefined, 511], [700, 701]);
      await until(701);
      assert.deepEqual([judged, distrusted], [[], [teller]]);
      assert.equal(forgotten(), 1);
    });
  });
});
