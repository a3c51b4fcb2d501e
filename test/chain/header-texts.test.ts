import assert from 'node:assert/strict';
import fc from 'fast-check';
import { hashHeader, type Header } from '../../src/chain/head/header.ts';
import { entryLength, HeaderLinks } from '../../src/chain/head/header-links.ts';
import { headerIn, headerText, putLinks } from '../../src/chain/head/header-texts.ts';
import { RawText } from '../../src/chain/rpc/raw-text.ts';
import { toHex, type Hex } from '../../src/codec/index.ts';
import { withCode } from './support.ts';
import { hash as module } from './trie/support.ts';

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length }).map(toHex);
const header: fc.Arbitrary<Header> = fc.record({
  number: fc.oneof(fc.nat(70), fc.nat(2 ** 14 + 2), fc.nat(2 ** 30 - 1)),
  parentHash: bytes(32),
  stateRoot: bytes(32),
  extrinsicsRoot: bytes(32),
  digest: fc.array(fc.uint8Array({ minLength: 1, maxLength: 40 }).map(toHex), { maxLength: 4 }),
});

function textOf({ number, parentHash, stateRoot, extrinsicsRoot, digest }: Header): string {
  const from = { parentHash, number: `0x${number.toString(16)}`, stateRoot, extrinsicsRoot, digest: { logs: digest } };
  return JSON.stringify(from);
}

/** In a frame, as an answer is. */
function answerOf(text: string): { result: RawText; url: string } {
  const frame = new TextEncoder().encode(`{"result":${text},"id":7}`);
  return { result: new RawText(frame, 10, frame.length - 8), url: 'ws://node' };
}

/** Of each what was put of it, behind one place that is left free. */
function links(texts: readonly string[], hashes: readonly Hex[]) {
  const put = new HeaderLinks(texts.length + 1);
  putLinks(put, 1, texts.map(answerOf), hashes, module);
  return texts.map((_, i) => {
    if (!put.has(i + 1)) return undefined;
    const entry = put.entries.subarray(entryLength * (i + 1), entryLength * (i + 2));
    const [hash, stateRoot] = [toHex(entry.subarray(0, 32)), toHex(entry.subarray(32))];
    return { hash, parentHash: put.parentHash(i + 1, undefined), stateRoot };
  });
}

describe('chain: headers by their text', () => {
  it('say what they say as JSON, and only where they hash to what was asked for', () => {
    fc.assert(
      fc.property(fc.array(header, { minLength: 1, maxLength: 5 }), fc.nat(4), (headers, other) => {
        const hashes = headers.map((each) => hashHeader(each));
        const wanted = hashes.map((hash, i): Hex => (i === other ? `0x${'00'.repeat(32)}` : hash));
        const found = links(headers.map(textOf), wanted);
        const expected = headers.map(({ parentHash, stateRoot }, i) =>
          i === other ? undefined : { hash: hashes[i], parentHash, stateRoot },
        );
        assert.deepEqual(found, expected);
      }),
    );
  });

  it('are kept as texts only where they begin as nodes write them, and are read as JSON otherwise', () => {
    const { result } = answerOf('{"number":"0x1"}');
    assert.equal(headerText(result), undefined);
    const usual = answerOf('{"parentHash":"0x').result;
    assert.equal(headerText(usual), usual);
    assert.throws(() => headerIn(usual), withCode('rpc-failed'));
  });

  it('are left to JSON, all of them, where one is written otherwise', () => {
    const [good, bad] = fc.sample(header, { numRuns: 2, seed: 1 }) as [Header, Header];
    const text = textOf({ ...bad, digest: ['0x06'] });
    const hash = hashHeader({ ...bad, digest: ['0x06'] });
    assert.ok(links([textOf(good), text], [hashHeader(good), hash]).every((link) => link !== undefined));
    for (const odd of [
      text.replace('","number"', '" ,"number"'),
      text.replace('"number":"0x', '"number":"0xg'),
      text.replace('"number":"0x', '"number":"0x40000000'),
      text.replace('"number":"0x', '"number":"'),
      text.replace('0x06', '0x'),
      text.replace('0x06', '0x6'),
      text.replace('0x06', '0x0g'),
      text.replace('["0x06"]', '["0x06",]'),
      text.replace('["0x06"]', '["0x06" ]'),
      text.replace('["0x06"]', `[${Array.from({ length: 64 }, () => '"0x06"').join()}]`),
      text.replace(bad.stateRoot, bad.stateRoot.slice(0, -2)),
      text.replace(bad.stateRoot, `${bad.stateRoot}00`),
      // Cut into two strings where the fast way expects one.
      text.replace(bad.extrinsicsRoot, `${bad.extrinsicsRoot.slice(0, 20)}","0x${bad.extrinsicsRoot.slice(25)}`),
      text.slice(0, -1),
      text.slice(0, 40),
      '{"parentHash":"0x',
    ])
      assert.deepEqual(links([textOf(good), odd], [hashHeader(good), hash]), [undefined, undefined], odd);
  });
});
