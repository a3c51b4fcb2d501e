import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { sr25519Verify } from '@polkadot/util-crypto';
import fc from 'fast-check';
import { fromHex, type Hex } from '../../src/codec/index.ts';
import { keyPairFromSeed, ready, signWith, verify, verifyBatch, type SignedMessage } from '../../src/crypto/index.ts';
import { proofsWasm } from '../../src/chain/trie/proofs-wasm.ts';
import { compileBatchModule } from '../../src/crypto/batch-module.ts';
import { loadPortableModule } from '../../src/crypto/portable-module.ts';
import { portableBytes } from '../../src/crypto/portable-module.ts';
import { BatchSr25519 } from '../../src/crypto/sr25519.ts';
import { flipped, hostileEncodings } from '../support/hostile-keys.ts';

const crate = new URL('../../sr25519/', import.meta.url);

function signed(seed: number, text: string): SignedMessage {
  const pair = keyPairFromSeed(new Uint8Array(32).fill(seed));
  const message = new TextEncoder().encode(text);
  return { publicKey: pair.publicKey, message, signature: signWith(pair, message) };
}

/** It throws for what is no point. */
function saysUtilCrypto({ publicKey, message, signature }: SignedMessage): boolean {
  try {
    return sr25519Verify(message, signature, publicKey);
  } catch {
    return false;
  }
}

const messages = (count: number): SignedMessage[] =>
  Array.from({ length: count }, (_, i) => signed(i % 7, `message ${i}`.repeat(i % 40)));

describe('sr25519: the committed WASM', () => {
  const recorded = JSON.parse(readFileSync(new URL('artifacts/source-hash.json', crate), 'utf8')) as Record<
    'sources' | 'wasm' | 'portable' | 'proofs',
    string
  >;
  const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

  it('is built from the sources as they are: npm run sr25519:build after a change', async () => {
    const { sourceHash } = (await import(new URL('../../scripts/lib/source-hash.mjs', import.meta.url).href)) as {
      sourceHash(folder: string): Promise<string>;
    };
    assert.equal(await sourceHash(fileURLToPath(crate)), recorded.sources);
  });

  it('is what the build wrote, as a file and in TypeScript, and asks nothing of its host', async () => {
    const portable = Buffer.from(portableBytes());
    const proofs = Buffer.from(proofsWasm, 'base64');
    assert.equal(sha256(readFileSync(new URL('artifacts/sr25519.wasm', crate))), recorded.wasm);
    assert.equal(sha256(portable), recorded.portable);
    assert.equal(sha256(proofs), recorded.proofs);
    const inText = await Promise.all([portable, proofs].map((wasm) => WebAssembly.compile(wasm)));
    for (const module of [await compileBatchModule(), ...inText])
      assert.deepEqual(WebAssembly.Module.imports(module), []);
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

  it('say what single verifications say, ours and those of util-crypto', () => {
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
        assert.deepEqual(
          verdicts,
          mixed.map((item) => saysUtilCrypto(item)),
        );
      }),
      { numRuns: 15 },
    );
  });
});

type Operations = Readonly<Record<string, (...lengths: readonly number[]) => number>>;
interface Heap {
  readonly memory: WebAssembly.Memory;
  reserve(length: number): number;
}

describe('sr25519: the modules', () => {
  /** An instance with its memory, to look at. */
  async function watched<T>(make: () => T | Promise<T>): Promise<{ readonly made: T; readonly memory: () => Buffer }> {
    const original = WebAssembly.Instance;
    let memory: WebAssembly.Memory | undefined;
    class Watched extends original {
      constructor(module: WebAssembly.Module) {
        super(module);
        memory = this.exports['memory'] as WebAssembly.Memory;
      }
    }
    WebAssembly.Instance = Watched;
    try {
      return { made: await make(), memory: () => Buffer.from(memory?.buffer ?? new ArrayBuffer()) };
    } finally {
      WebAssembly.Instance = original;
    }
  }

  it('answer "no" or "yes" to any bytes and any lengths, and work on', async () => {
    for (const module of [await compileBatchModule(), new WebAssembly.Module(portableBytes())]) {
      const { memory, reserve, ...rest } = new WebAssembly.Instance(module).exports as unknown as Heap & Operations;
      const operations = Object.values(rest).filter((value) => typeof value === 'function');
      assert.ok(operations.length >= 4);
      const lengths = fc.constantFrom(0, 1, 3, 16, 32, 100, 0x7fffffff, 0xffffffff);
      fc.assert(
        fc.property(fc.uint8Array({ maxLength: 400 }), fc.nat(20), lengths, lengths, (bytes, which, one, two) => {
          const start = reserve(bytes.length);
          new Uint8Array(memory.buffer, start, bytes.length).set(bytes);
          assert.ok([0, 1].includes(operations[which % operations.length]!(one, two)));
        }),
        { numRuns: 3_000 },
      );
      assert.ok(memory.buffer.byteLength <= 4 * 65_536 + 2 ** 20);
    }
  });

  it('forget what they were given: no secret stays in their memory', async () => {
    const { publicKey, secretKey } = keyPairFromSeed(new Uint8Array(32).fill(77));
    const halves = [secretKey.subarray(0, 32), secretKey.subarray(32)];
    const message = new Uint8Array(1_000);
    const batch = await watched(async () => new BatchSr25519(await compileBatchModule()));
    const portable = await watched(loadPortableModule);
    for (const { made, memory } of [batch, portable]) {
      assert.ok(made.verify(publicKey, message, made.sign(secretKey, publicKey, message)));
      made.publicKey(secretKey);
      for (const half of halves) assert.equal(memory().indexOf(half), -1);
    }
    const key = Uint8Array.from({ length: 32 }, (_, i) => 200 - i);
    const plaintext = new TextEncoder().encode('nobody shall find this in there');
    const { made, memory } = portable;
    const z = made.multiply(halves[0]!, publicKey);
    const mac = made.hmacSha512(key, plaintext);
    made.sha512(plaintext);
    const sealed = made.sealAes256Gcm(key, new Uint8Array(12), message, plaintext);
    made.openAes256Gcm(key, new Uint8Array(12), message, sealed);
    for (const secret of [...halves, key, plaintext, z, mac]) assert.equal(memory().indexOf(secret), -1);
  });

  it('take messages larger than their first memory', async () => {
    const pair = keyPairFromSeed(new Uint8Array(32).fill(5));
    const message = new Uint8Array(5_000_000).fill(1);
    const altered = message.with(4_999_999, 2);
    for (const sr25519 of [new BatchSr25519(await compileBatchModule()), loadPortableModule()]) {
      const signature = sr25519.sign(pair.secretKey, pair.publicKey, message);
      assert.ok(sr25519.verify(pair.publicKey, message, signature));
      assert.ok(!sr25519.verify(pair.publicKey, altered, signature));
    }
  });
});
