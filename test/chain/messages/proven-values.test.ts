import assert from 'node:assert/strict';
import { ProvenValues, type ProvenAnchor, type ProvenValuesParts } from '../../../src/chain/messages/proven-values.ts';
import { frameMemory } from '../../../src/chain/rpc/frame-memory.ts';
import { RawText } from '../../../src/chain/rpc/raw-text.ts';
import type { BlockRequest } from '../../../src/chain/storage/block-reader.ts';
import { toHex, type Hex } from '../../../src/codec/index.ts';
import { RelayError } from '../../../src/errors/index.ts';
import { truthOf, type Truth } from '../trie/support.ts';

const digits = 'aa01';
const key: Hex = `0x${digits}`;
const value = 'c0'.repeat(100);
/** States that differ in what is beside the key, as those of neighbouring blocks do; each third has a value there. */
const truths: readonly Truth[] = Array.from({ length: 9 }, (_, n) => {
  const entries = new Map([['aa00', '01'], ['ab', '02'], ['10', n.toString(16).padStart(80, '0')]]); // prettier-ignore
  if (n % 3 === 0) entries.set(digits, value);
  return truthOf(entries);
});
const blocks: readonly ProvenAnchor[] = truths.map(({ root }, number) => ({
  number,
  hash: `0x${number.toString(16).padStart(64, '0')}`,
  stateRoot: root,
}));
const expected = truths.map((_, n) => (n % 3 === 0 ? `0x${value}` : undefined));

/** What all answers came in last, a frame that may be given back; of more bytes than they have. */
const frames: Buffer[] = [];
const frameLength = 64 * 1024;
/** The values that were read last. */
const held: (Uint8Array | undefined)[] = [];

/** Reads all of the blocks, of a node that gives what `listOf` makes of each proof. */
async function read(listOf: (proof: readonly string[], n: number) => string, isText = true) {
  const left: [url: string, reason: unknown][] = [];
  const alone: number[] = [];
  const parts = {
    connection: { leave: (url: string, error: RelayError) => void left.push([url, error.details?.['reason']]) },
    blocks: {
      askAll: (requests: readonly BlockRequest[]) => {
        assert.deepEqual(
          requests.map(({ params }) => params),
          blocks.map(({ hash }) => [[key], hash]),
        );
        const lists = truths.map(({ proof }, n) => listOf(proof([digits]), n));
        const frame = (frames[0] = frameMemory.take(frameLength));
        let at = 0;
        const answers = lists.map((list) => {
          const text = new RawText(frame, at, (at += frame.write(list, at)));
          return { result: isText ? text : { proof: JSON.parse(list) as unknown }, url: 'ws://node' };
        });
        return Promise.resolve(answers);
      },
    },
    proofs: {
      values: ({ number }: { readonly number: number }) => {
        alone.push(number);
        return Promise.resolve([expected[number] === undefined ? undefined : Buffer.from(value, 'hex')]);
      },
    },
    // What is not used here is left out.
  } as unknown as ProvenValuesParts;
  const read = await new ProvenValues(parts, key).read(blocks, new AbortController().signal);
  const values = read.map((each) => {
    if (each instanceof RelayError) throw each;
    return each;
  });
  held.splice(0, held.length, ...values);
  return { values: values.map((each) => each && toHex(each)), left, alone };
}

describe('one value in many blocks, by proofs', () => {
  for (const isText of [true, false])
    it(`is what each block's own state root says, by its text or by JSON (text: ${isText})`, async () => {
      assert.deepEqual(await read((proof) => JSON.stringify(proof), isText), { values: expected, left: [], alone: [] });
    });

  it('is found whichever block a node of the trie was given for', async () => {
    const seen = new Set<string>();
    const once = (proof: readonly string[]): string => {
      const news = proof.filter((node) => !seen.has(node));
      for (const node of news) seen.add(node);
      return JSON.stringify(news);
    };
    assert.deepEqual(await read(once), { values: expected, left: [], alone: [] });
  });

  const flipped = (node: string): string => node.slice(0, -1) + (node.endsWith('0') ? '1' : '0');
  for (const [what, change] of [
    ['leaves one of its proofs empty', () => '[]'],
    ['alters the nodes of one', (proof) => JSON.stringify(proof.map(flipped))],
    ['gives the proof of another block for one', () => JSON.stringify(truths[3]?.proof([digits]))],
    ['gives no hex in one', () => '["0x0g"]'],
    ['gives no list for one', () => '"0x00"'],
    ['gives no JSON for one', () => '["0x00",]'],
  ] satisfies readonly (readonly [string, (proof: readonly string[]) => string])[])
    it(`is read of another node for that block where a node ${what}, which is left, and for no other`, async () => {
      for (const lie of [4, 6]) {
        const { values, left, alone } = await read((proof, n) => (n === lie ? change(proof) : JSON.stringify(proof)));
        assert.deepEqual([values, alone], [expected, [lie]]);
        assert.equal(left.length, 1, String(left));
      }
    });

  it('keeps no more in memory than itself, of all that came with it', async () => {
    await read((proof) => JSON.stringify(proof));
    const own = expected.map((each) => each && value.length / 2);
    assert.deepEqual(
      held.map((each) => each?.buffer.byteLength),
      own,
    );
  });

  it('stays when the frame that it came in is used again, as it is when all is read', async () => {
    await read((proof) => JSON.stringify(proof));
    const next = frameMemory.take(frameLength).fill(0xee);
    assert.equal(next.buffer, frames[0]?.buffer);
    assert.deepEqual(
      held.map((each) => each && toHex(each)),
      expected,
    );
  });

  it('may be in a list with white space', async () => {
    const { values, left } = await read((proof, n) => JSON.stringify(proof, undefined, n === 2 ? 1 : 0));
    assert.deepEqual([values, left], [expected, []]);
  });
});
