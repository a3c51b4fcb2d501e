import assert from 'node:assert/strict';
import fc from 'fast-check';
import { RawText } from '../../src/chain/rpc/raw-text.ts';
import { skimJson } from '../../src/chain/rpc/skim-json.ts';

const bytesOf = (text: string): Uint8Array => Buffer.from(text);
const long = 'a1'.repeat(500);

/** With strings in the place of raw texts. */
function withStrings(value: unknown): unknown {
  if (value instanceof RawText) return value.toString();
  if (Array.isArray(value)) return value.map(withStrings);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, withStrings(each)]));
}

describe('chain: JSON whose long strings stay bytes', () => {
  it('is what JSON.parse gives, or left to it', () => {
    const json = fc.json({ maxDepth: 4 }).chain((text) => fc.constantFrom(text, text.replaceAll(',', ' ,\n\t')));
    fc.assert(
      fc.property(json, (text) => {
        const skimmed = skimJson(bytesOf(text));
        if (skimmed !== undefined) assert.deepEqual(withStrings(skimmed), JSON.parse(text));
      }),
    );
  });

  it('is what JSON.parse gives of long strings too, whatever stands in them and where', () => {
    const unit = fc.constantFrom('0', 'f', ' ', '~', '\u007f', 'é', '€', '𝄞', '\ufeff', '\n', '"', '\\');
    const special = fc.array(unit, { maxLength: 6 }).map((units) => units.join(''));
    const string = fc
      .tuple(fc.nat(600), special, fc.nat(300))
      .map(([before, text, behind]) => 'a'.repeat(before) + text + 'b'.repeat(behind));
    fc.assert(
      fc.property(fc.array(string, { maxLength: 3 }), (strings) => {
        const text = JSON.stringify(strings);
        const skimmed = skimJson(bytesOf(text));
        if (skimmed !== undefined) assert.deepEqual(withStrings(skimmed), JSON.parse(text));
        else assert.match(text, /[^ -~]|\\/);
      }),
      { numRuns: 500 },
    );
  });

  it('is read with other characters in the later part of a long string, as they are', () => {
    const text = `["${long}é€\u0001"]`;
    assert.deepEqual(withStrings(skimJson(bytesOf(text))), [`${long}é€\u0001`]);
  });

  it('is read of the answers of nodes', () => {
    const answers = [
      `[{"jsonrpc":"2.0","id":1,"result":"0x${long}"},{"jsonrpc":"2.0","id":2,"result":null}]`,
      `{"jsonrpc":"2.0","result":[{"block":"0x11","changes":[["0x22","0x${long}"],["0x22",null]]}],"id":33}`,
      ` { "jsonrpc" : "2.0" , "id" : 0 , "error" : { "code" : 4003 , "data" : [ ] , "ok" : [true, false, {}] } } `,
    ];
    for (const text of answers) {
      const skimmed = skimJson(bytesOf(text));
      assert.notEqual(skimmed, undefined, text);
      assert.deepEqual(withStrings(skimmed), JSON.parse(text));
    }
  });

  it('keeps a long string where it came', () => {
    const frame = bytesOf(`["0x${long}"]`);
    const [raw] = skimJson(frame) as [RawText];
    assert.ok(raw instanceof RawText);
    assert.equal(raw.frame.buffer, frame.buffer);
    assert.equal(raw.toString(), `0x${long}`);
  });

  it('leaves to JSON.parse what is no JSON, and what it does not read', () => {
    const texts = [
      '',
      '{',
      '[1,]',
      '[01]',
      '{"a" 1}',
      '{1:2}',
      '"a',
      '[1]]',
      'nul',
      `"${long}`,
      '[-1]',
      '[1.5]',
      '"\\u0041"',
    ];
    for (const text of [...texts, '"é"', '["\u0001"]', '{"__proto__":1}', '['.repeat(100) + ']'.repeat(100)])
      assert.equal(skimJson(bytesOf(text)), undefined, text);
  });
});
