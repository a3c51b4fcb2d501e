import assert from 'node:assert/strict';
import { blake2b } from '@noble/hashes/blake2.js';
import fc from 'fast-check';
import { RawText } from '../../../src/chain/rpc/raw-text.ts';
import { ProofNodes } from '../../../src/chain/trie/proof-nodes.ts';
import { proofsWasm } from '../../../src/chain/trie/proofs-wasm.ts';
import { ProofsModule } from '../../../src/chain/trie/proofs-module.ts';
import { fromHex, toHex } from '../../../src/codec/index.ts';
import { withCode } from '../support.ts';
import { hash } from './support.ts';

const encoder = new TextEncoder();

function textOf(items: readonly Uint8Array[]): Uint8Array {
  return encoder.encode(JSON.stringify(items.map(toHex)));
}

function blake2b256(bytes: Uint8Array): Uint8Array {
  return blake2b(bytes, { dkLen: 32 });
}

const mebibyte = 1024 * 1024;

/** WASM with the exports of the real one, of which `proof_nodes` and `blake2b_256` trap. */
const trapping = Uint8Array.from([
  ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
  // One type, (i32) -> i32, and two functions of it.
  ...[1, 6, 1, 0x60, 1, 0x7f, 1, 0x7f],
  ...[3, 3, 2, 0, 0],
  // A memory of one page.
  ...[5, 3, 1, 0, 1],
  ...exportsOf([
    ['memory', 2, 0],
    ['reserve', 0, 0],
    ['blake2b_256', 0, 1],
    ['proof_nodes', 0, 1],
  ]),
  // The first gives 8, the other is unreachable.
  ...[10, 10, 2, 4, 0, 0x41, 8, 0x0b, 3, 0, 0, 0x0b],
]);

function exportsOf(entries: readonly (readonly [name: string, kind: number, index: number])[]): readonly number[] {
  const body = entries.flatMap(([name, kind, index]) => [name.length, ...encoder.encode(name), kind, index]);
  return [7, body.length + 1, entries.length, ...body];
}

/** A module of its own, and how many bytes the memory of each of its instances has, oldest first. */
async function observed(
  wasm: Uint8Array<ArrayBuffer> = Buffer.from(proofsWasm, 'base64'),
): Promise<{ readonly module: ProofsModule; readonly memories: () => readonly number[] }> {
  const compiled = await WebAssembly.compile(wasm);
  const made: WebAssembly.Memory[] = [];
  const { Instance } = WebAssembly;
  WebAssembly.Instance = class extends Instance {
    constructor(module: WebAssembly.Module, imports?: WebAssembly.Imports) {
      super(module, imports);
      if (module === compiled) made.push(this.exports['memory'] as WebAssembly.Memory);
    }
  };
  restore.push(() => {
    WebAssembly.Instance = Instance;
  });
  return { module: new ProofsModule(compiled), memories: () => made.map(({ buffer }) => buffer.byteLength) };
}
let restore: (() => void)[] = [];

describe('the WASM that reads proofs', () => {
  afterEach(() => {
    for (const each of restore.reverse()) each();
    restore = [];
  });

  it('hashes as another BLAKE2b does', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) => {
        assert.deepEqual(hash.binary(bytes), blake2b256(bytes));
      }),
    );
  });

  it('gives what stands in a list, how short or long it is, with the hash of each', () => {
    const items = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 30 });
    fc.assert(
      fc.property(items, (list) => {
        const nodes = hash.nodesIn(textOf(list));
        assert.ok(nodes !== undefined);
        const { bytes, hashes, ends } = nodes;
        assert.equal(ends.length, list.length);
        assert.equal(bytes.length, ends.at(-1) ?? 0);
        list.forEach((item, i) => {
          assert.deepEqual(bytes.slice(i === 0 ? 0 : ends[i - 1], ends[i]), item);
          assert.deepEqual(hashes.slice(32 * i, 32 * i + 32), blake2b256(item));
        });
      }),
    );
  });

  it('lends what stands in several lists as in one, and no view of its memory to two', () => {
    const items = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 10 });
    fc.assert(
      fc.property(fc.array(items, { maxLength: 6 }), (lists) => {
        const texts = lists.map((list) => RawText.of(JSON.stringify(list.map(toHex))));
        const lent = hash.readNodes(texts, ({ bytes, hashes, ends }) => {
          assert.throws(() => hash.binary(Uint8Array.of(1)), withCode('bad-value'));
          return { bytes: bytes.slice(), hashes: hashes.slice(), ends };
        });
        const { bytes, hashes, ends } = hash.nodesIn(textOf(lists.flat())) ?? assert.fail();
        assert.deepEqual(lent, { bytes: bytes.slice(), hashes: hashes.slice(), ends });
      }),
    );
  });

  it('lends nothing of texts of which one is no list, and goes on after who read has thrown', () => {
    const texts = ['["0x00"]', '"0x00"'].map((text) => RawText.of(text));
    const never = (): number => {
      throw new Error('it is read');
    };
    assert.equal(hash.readNodes(texts, never), undefined);
    const failing = (): never => {
      throw new TypeError('it fails');
    };
    assert.throws(() => hash.readNodes(texts.slice(0, 1), failing), /it fails/);
    assert.deepEqual(hash.binary(Uint8Array.of(1)), blake2b256(Uint8Array.of(1)));
  });

  it('takes digits of either case', () => {
    assert.deepEqual(hash.nodesIn(encoder.encode('["0xAbCdEf"]'))?.bytes, fromHex('0xabcdef'));
  });

  it('refuses all other text', () => {
    const others = [
      '',
      '[',
      ']',
      '[]]',
      '["0x00"',
      '"0x00"',
      '["0x0"]',
      '["0x0g"]',
      '["00"]',
      '["0x00",]',
      '[,"0x00"]',
    ];
    const more = ['["0x00""0x00"]', '[ "0x00"]', '["0x00"] ', '["0x00",7]', '[null]', '[["0x00"]]', '["0x00\\u0030"]'];
    for (const text of [...others, ...more, '["0x0０"]', '["0X00"]', '["0x00","0x00]', '["0x00"]["0x00"]'])
      assert.equal(hash.nodesIn(encoder.encode(text)), undefined, text);
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 4 }), { maxLength: 4 }),
        fc.nat(),
        fc.nat(255),
        (list, at, byte) => {
          const text = textOf(list);
          const changed = text.with(at % text.length, byte);
          const isJson = (): boolean => {
            try {
              const parsed = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(changed)) as unknown;
              return Array.isArray(parsed) && parsed.every((item) => /^0x([0-9a-f]{2})*$/i.test(String(item)));
            } catch {
              return false;
            }
          };
          if (hash.nodesIn(changed) !== undefined) assert.ok(isJson(), new TextDecoder().decode(changed));
        },
      ),
      { numRuns: 2_000 },
    );
  });

  it('is as good after an answer of many megabytes as before', () => {
    const large = new Uint8Array(8 * 1024 * 1024).fill(7);
    assert.deepEqual(
      hash.nodesIn(textOf([large, large.subarray(1)]))?.hashes.subarray(32),
      blake2b256(large.subarray(1)),
    );
    assert.deepEqual(hash.binary(Uint8Array.of(1)), blake2b256(Uint8Array.of(1)));
  });

  it('refuses a text of nothing but quotes, of any length, without room for as many items', async () => {
    const { module, memories } = await observed();
    for (const length of [2, 3, 8, 1_000, 1_000_000, 125_000_000]) {
      const quotes = new Uint8Array(length).fill(0x22).with(0, 0x5b).with(-1, 0x5d);
      assert.equal(module.nodesIn(quotes)?.ends.length, length === 2 ? 0 : undefined, String(length));
      assert.ok(memories().at(-1)! < length + 2 * mebibyte, String(length));
    }
  });

  it('keeps no large memory, whether the answer is yes or no', async () => {
    const large = '00'.repeat(10 * mebibyte);
    for (const text of [`["0x${large}"]`, `["0x${large}`].map((each) => encoder.encode(each))) {
      const { module, memories } = await observed();
      module.nodesIn(text);
      assert.equal(module.nodesIn(encoder.encode('["00"]')), undefined);
      assert.equal(memories().length, 2);
      assert.ok(memories()[1]! < mebibyte);
    }
  });

  it('says no where the module traps, and starts again with a fresh one', async () => {
    const { module, memories } = await observed(trapping);
    for (let runs = 1; runs <= 3; runs++) {
      assert.equal(module.nodesIn(encoder.encode('[]')), undefined);
      assert.equal(memories().length, runs);
    }
    assert.throws(() => module.binary(encoder.encode('[]')), withCode('bad-value'));
  });
});

describe('ProofNodes', () => {
  it('finds what was added in several parts, what is in more than one of them once', () => {
    const items = Array.from({ length: 300 }, (_, i) =>
      new Uint8Array(40)
        .fill(i)
        .with(0, 0x41)
        .with(1, i >> 8),
    );
    const nodes = new ProofNodes(hash);
    for (let at = 0; at < items.length; at += 50) nodes.add(items.slice(Math.max(0, at - 5), at + 50).map(toHex));
    assert.equal(nodes.size, new Set(items.map(toHex)).size);
    const valued = { isValueHashed: true, valueStart: 0, valueEnd: 32 };
    for (const item of items)
      assert.deepEqual(nodes.valueOf({ ...valued, bytes: blake2b256(item) } as never)?.slice(), item);
    assert.equal(nodes.valueOf({ ...valued, bytes: blake2b256(new Uint8Array(40)) } as never), undefined);
  });

  it('takes a list in parts where there is no memory for the whole, and blames nobody for it', () => {
    const items = Array.from({ length: 300 }, (_, i) => new Uint8Array(40).fill(i).with(0, 0x41));
    let asked = 0;
    const small = {
      binary: hash.binary,
      nodesIn: (list: Uint8Array) => (asked++, list.length > 1_000 ? undefined : hash.nodesIn(list)),
    };
    const nodes = new ProofNodes(small as unknown as ProofsModule);
    nodes.add(items.map(toHex));
    assert.equal(nodes.size, new Set(items.map(toHex)).size);
    assert.ok(asked > 10);
    const none = { binary: hash.binary, nodesIn: () => undefined };
    assert.throws(() => new ProofNodes(none as unknown as ProofsModule).add(['0x0011']), withCode('bad-value'));
    assert.throws(() => new ProofNodes(none as unknown as ProofsModule).add(['0x001']), withCode('bad-proof'));
  });

  it('refuses a list that is not of hex', () => {
    for (const item of [7, null, '0x0', '00', ['0x00'], { proof: [] }])
      assert.throws(() => new ProofNodes(hash).add(['0x00', item]), withCode('bad-proof'));
  });
});
