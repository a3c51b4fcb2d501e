import assert from 'node:assert/strict';
import fc from 'fast-check';
import { readFrame } from '../../src/chain/rpc/frame.ts';

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

/** What is read of a frame where all results are read as their text. */
const textsOf = (frame: string): unknown => readFrame(bytesOf(frame), () => String);

/** In the two orders that nodes write answers in. */
const orders: readonly ((id: number, result: string) => string)[] = [
  (id, result) => `{"jsonrpc":"2.0","id":${id},"result":${result}}`,
  (id, result) => `{"jsonrpc":"2.0","result":${result},"id":${id}}`,
];

describe('chain: a frame', () => {
  for (const [place, answer] of orders.entries())
    describe(`with the id ${place === 0 ? 'first' : 'last'}`, () => {
      it('gives the text of its result to who reads that', () => {
        assert.deepEqual(textsOf(answer(12, '[1,{}]')), { id: 12, result: '[1,{}]' });
        assert.deepEqual(textsOf(answer(0, '"a]}\\""')), { id: 0, result: '"a]}\\""' });
      });

      it('that holds several answers gives the text of each', () => {
        const json = fc.json({ maxDepth: 3 }).filter((text) => !text.includes('\\'));
        fc.assert(
          fc.property(fc.array(json, { minLength: 1, maxLength: 5 }), (results) => {
            const frame = `[${results.map((result, id) => answer(id, result)).join(',')}]`;
            assert.deepEqual(
              textsOf(frame),
              results.map((result, id) => ({ id, result })),
            );
          }),
        );
      });

      it('is what JSON gives where nobody reads texts, or a reader does not find what it expects', () => {
        for (const frame of [answer(3, '["0x12",null]'), `[${answer(3, '"0x"')},${answer(4, '{"a":[]}')}]`]) {
          assert.deepEqual(
            readFrame(bytesOf(frame), () => undefined),
            JSON.parse(frame),
          );
          assert.deepEqual(
            readFrame(bytesOf(frame), () => () => undefined),
            JSON.parse(frame),
          );
          assert.deepEqual(
            readFrame(bytesOf(frame), (id) => (id === 4 ? () => 7 : undefined)),
            JSON.parse(frame),
          );
          assert.deepEqual(
            readFrame(frame, () => () => 7),
            JSON.parse(frame),
          );
        }
      });
    });

  it('in any other words is what JSON gives', () => {
    const frames = [
      '{"jsonrpc":"2.0","id":1,"error":{"code":-1,"message":"no"}}',
      '{"jsonrpc":"2.0","id":"1","result":1}',
      '{"jsonrpc":"2.0","id":null,"result":1}',
      '{"jsonrpc":"2.0","method":"x","params":{"subscription":1,"result":2}}',
      ' {"id":1,"result":[3],"jsonrpc":"2.0"}',
      '{"jsonrpc":"2.0","result":{"id":7}}',
      '{"jsonrpc":"2.0","id":1}',
      '[{"jsonrpc":"2.0","id":1,"result":1},{"jsonrpc":"2.0","id":2,"error":{}}]',
      '[{"jsonrpc":"2.0","id":1,"result":"\\u0041"}]',
      '[{"jsonrpc":"2.0","id":1,"result":[{"a":1},{"jsonrpc":"2.0","id":2,"result":3}]}]',
      '[{"jsonrpc":"2.0","id":1,"result":{},"more":1},{"jsonrpc":"2.0","id":2,"result":3}]',
      '[]',
      '7',
      `{"jsonrpc":"2.0","id":${'1'.repeat(400)},"result":1}`,
      `{"jsonrpc":"2.0","result":1,"id":${'1'.repeat(400)}}`,
    ];
    for (const frame of frames) assert.deepEqual(textsOf(frame), JSON.parse(frame), frame);
  });

  it('that is no JSON throws, for who reads texts too where these are no list of answers', () => {
    const frames = ['', '{', '[', '[{"jsonrpc":"2.0","id":1,"result":1}', '[{"jsonrpc":"2.0","id":1,"result":"a}]'];
    const more = [
      '{"jsonrpc":"2.0","id":,"result":1}',
      '{"jsonrpc":"2.0","id":1,"result":1',
      '{"jsonrpc":"2.0","id":1}}',
    ];
    for (const frame of [...frames, ...more]) assert.throws(() => textsOf(frame), SyntaxError, frame);
  });
});
