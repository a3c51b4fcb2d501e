import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { fromHex, type Hex } from '../../src/codec/index.ts';
import { keyPairFromSeed, ready, signWith, verify, verifyBatch, type SignedMessage } from '../../src/crypto/index.ts';
import { portableBackend } from '../../src/crypto/portable-backend.ts';
import { compileSr25519, Sr25519 } from '../../src/crypto/sr25519-wasm.ts';
import { flipped, hostileEncodings } from '../support/hostile-keys.ts';

const crate = new URL('../../sr25519/', import.meta.url);

function signed(seed: number, text: string): SignedMessage {
  const pair = keyPairFromSeed(new Uint8Array(32).fill(seed));
  const message = new TextEncoder().encode(text);
  return { publicKey: pair.publicKey, message, signature: signWith(pair, message) };
}

const messages = (count: number): SignedMessage[] =>
  Array.from({ length: count }, (_, i) => signed(i % 7, `message ${i}`.repeat(i % 40)));

describe('sr25519: the committed WASM', () => {
  const recorded = JSON.parse(readFileSync(new URL('artifacts/source-hash.json', crate), 'utf8')) as {
    sources: string;
    wasm: string;
  };

  it('is built from the sources as they are: npm run sr25519:build after a change', async () => {
    const { sourceHash } = (await import(new URL('../../scripts/lib/source-hash.mjs', import.meta.url).href)) as {
      sourceHash(folder: string): Promise<string>;
    };
    assert.equal(await sourceHash(fileURLToPath(crate)), recorded.sources);
  });

  it('is the one that the build wrote, and asks nothing of its host', async () => {
    const wasm = readFileSync(new URL('artifacts/sr25519.wasm', crate));
    assert.equal(createHash('sha256').update(wasm).digest('hex'), recorded.wasm);
    assert.deepEqual(WebAssembly.Module.imports(await compileSr25519()), []);
  });
});

describe('sr25519: batches', () => {
  before(ready);

  it('of good signatures are good, whatever their size', () => {
    for (const count of [0, 1, 2, 3, 64, 130]) assert.deepEqual(verifyBatch(messages(count)), Array(count).fill(true));
  });

  it('with a bad one at any place refuse just that one', () => {
    const items = messages(20);
    for (let bad = 0; bad < items.length; bad++) {
      const altered = items.map((item, i) => (i === bad ? { ...item, signature: flipped(item.signature, 300) } : item));
      assert.deepEqual(
        verifyBatch(altered),
        items.map((_, i) => i !== bad),
      );
    }
  });

  it('refuse two signatures that cancel each other out', () => {
    const { publicKey, items } = JSON.parse(readFileSync(new URL('cancelling-pair.json', import.meta.url), 'utf8')) as {
      publicKey: Hex;
      items: readonly { message: Hex; signature: Hex }[];
    };
    const pair = items.map(({ message, signature }) => ({
      publicKey: fromHex(publicKey),
      message: fromHex(message),
      signature: fromHex(signature),
    }));
    assert.deepEqual(verifyBatch(pair), [false, false]);
    assert.deepEqual(verifyBatch([...messages(30), ...pair]), [...Array<boolean>(30).fill(true), false, false]);
  });

  it('take good signatures beside what does not decode: lengths, points, scalars, marks', () => {
    const good = signed(1, 'good');
    const noMark = good.signature.slice();
    noMark[63] = noMark[63]! & 0x7f;
    const bigScalar = good.signature.slice();
    bigScalar.fill(0xff, 32);
    const bad: SignedMessage[] = [
      ...[...hostileEncodings.values()].map((publicKey) => ({ ...good, publicKey })),
      ...[...hostileEncodings.values()]
        .filter(({ length }) => length === 32)
        .map((r) => ({ ...good, signature: Uint8Array.of(...r, ...good.signature.subarray(32)) })),
      { ...good, signature: noMark },
      { ...good, signature: bigScalar },
      { ...good, signature: good.signature.subarray(1) },
      { ...good, signature: new Uint8Array() },
      { ...good, publicKey: good.publicKey.subarray(1) },
    ];
    for (const item of bad) assert.deepEqual(verifyBatch([good, item, good]), [true, false, true]);
    assert.deepEqual(
      verifyBatch(bad),
      bad.map(() => false),
    );
  });

  it('say what single verifications say, ours and the portable one', () => {
    const items = messages(12);
    const changed = fc.record({
      at: fc.nat(11),
      what: fc.constantFrom('key', 'message', 'signature'),
      bit: fc.nat(255),
    });
    fc.assert(
      fc.property(fc.array(changed, { maxLength: 4 }), (changes) => {
        const mixed = items.map((item, i) => {
          const change = changes.find(({ at }) => at === i);
          if (change?.what === 'key') return { ...item, publicKey: flipped(item.publicKey, change.bit) };
          if (change?.what === 'message') return { ...item, message: Uint8Array.of(...item.message, change.bit) };
          return change === undefined ? item : { ...item, signature: flipped(item.signature, 2 * change.bit) };
        });
        const verdicts = verifyBatch(mixed);
        assert.deepEqual(
          verdicts,
          mixed.map((item) => verify(item.publicKey, item.message, item.signature)),
        );
        assert.deepEqual(verdicts, portableBackend.verifyBatch(mixed));
      }),
      { numRuns: 15 },
    );
  });
});

describe('sr25519: the module', () => {
  it('answers "no" to any bytes, and works on', async () => {
    const module = await compileSr25519();
    const exports = new WebAssembly.Instance(module).exports as unknown as {
      memory: WebAssembly.Memory;
      reserve(length: number): number;
    } & Record<'public_key' | 'sign' | 'verify', () => number> & { verify_batch(count: number): number };
    const operations = [
      exports.public_key,
      exports.sign,
      exports.verify,
      () => exports.verify_batch(0),
      () => exports.verify_batch(3),
      () => exports.verify_batch(0xffffffff),
    ];
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), fc.nat(5), (bytes, which) => {
        const start = exports.reserve(bytes.length);
        new Uint8Array(exports.memory.buffer, start, bytes.length).set(bytes);
        assert.ok([0, 1].includes(operations[which]!()));
      }),
      { numRuns: 2_000 },
    );
    assert.ok(exports.memory.buffer.byteLength <= 4 * 65_536 + 2 ** 20);
  });

  it('forgets what it was given: no secret stays in its memory', async () => {
    const sr25519 = new Sr25519(await compileSr25519());
    const { publicKey, secretKey } = keyPairFromSeed(new Uint8Array(32).fill(77));
    let memory: WebAssembly.Memory | undefined;
    const original = WebAssembly.Instance;
    class Watched extends original {
      constructor(module: WebAssembly.Module) {
        super(module);
        memory = this.exports['memory'] as WebAssembly.Memory;
      }
    }
    WebAssembly.Instance = Watched;
    try {
      const watched = new Sr25519(await compileSr25519());
      const signature = watched.sign(secretKey, publicKey, new Uint8Array(1_000));
      assert.ok(sr25519.verify(publicKey, new Uint8Array(1_000), signature));
      watched.publicKey(secretKey);
    } finally {
      WebAssembly.Instance = original;
    }
    const bytes = Buffer.from(memory!.buffer);
    for (const half of [secretKey.subarray(0, 32), secretKey.subarray(32)]) assert.equal(bytes.indexOf(half), -1);
  });

  it('takes messages larger than its first memory', async () => {
    const sr25519 = new Sr25519(await compileSr25519());
    const pair = keyPairFromSeed(new Uint8Array(32).fill(5));
    const message = new Uint8Array(5_000_000).fill(1);
    const signature = sr25519.sign(pair.secretKey, pair.publicKey, message);
    assert.ok(sr25519.verify(pair.publicKey, message, signature));
    message[4_999_999] = 2;
    assert.ok(!sr25519.verify(pair.publicKey, message, signature));
  });
});
