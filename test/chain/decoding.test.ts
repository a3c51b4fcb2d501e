import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import fc from 'fast-check';
import { xxhashAsHex } from '@polkadot/util-crypto';
import type { WorkerInfo } from '../../src/chain/index.ts';
import { Runtime } from '../../src/chain/runtime/runtime.ts';
import { readEndpoints } from '../../src/chain/storage/endpoints.ts';
import { fastFromHex, fastToHex, portableFromHex, portableHexDigits } from '../../src/chain/storage/fast-hex.ts';
import {
  decodeForeignMessages,
  decodeOutboundMessages,
  hasKnownMessages,
} from '../../src/chain/storage/outbound-messages.ts';
import { storagePrefix } from '../../src/chain/storage/storage-key.ts';
import { workerInfoDecoder } from '../../src/chain/storage/worker-info.ts';
import { toHex, Writer, type Hex } from '../../src/codec/index.ts';
import { isRelayError } from '../../src/errors/index.ts';

const metadataFile = new URL('../../chain-types/khala-dev/metadata.hex', import.meta.url);
// What WorkerRecord says of one worker's list (src/chain/chain.ts).
const [maxUrls, maxRecords, maxStringBytes] = [64, 8, 2_048];
const id = fc.uint8Array({ minLength: 32, maxLength: 32 }).map(toHex);
const bytes = fc.uint8Array({ maxLength: 300 }).map(toHex);

describe('decoding by hand', () => {
  let runtime: Runtime;
  before(async () => {
    const metadata = (await readFile(metadataFile, 'utf8')).trim() as Hex;
    runtime = new Runtime({ specName: 'khala-dev', specVersion: 100, transactionVersion: 1 }, metadata);
  });

  it('gives the messages that the metadata gives, of every sender', () => {
    const entry = runtime.storage('PhalaMq', 'OutboundMessages')!;
    assert.ok(hasKnownMessages(entry));
    const sender = fc.oneof(
      bytes.map((Pallet) => ({ Pallet })),
      id.map((Contract) => ({ Contract })),
      id.map((Worker) => ({ Worker })),
      id.map((AccountId) => ({ AccountId })),
      bytes.map((MultiLocation) => ({ MultiLocation })),
      fc.constant('Gatekeeper'),
      id.map((Cluster) => ({ Cluster })),
      fc.constant('Reserved'),
    );
    const message = fc.record({ sender, destination: bytes, payload: bytes });
    fc.assert(
      fc.property(fc.array(message, { maxLength: 5 }), (messages) => {
        const encoded = runtime.registry.createTypeUnsafe(entry.valueType, [messages]).toU8a();
        const decoded = decodeOutboundMessages(encoded);
        assert.deepEqual(decoded, decodeForeignMessages(runtime, entry, encoded));
        assert.deepEqual(
          decoded.map(({ destination, payload }) => ({ destination: toHex(destination), payload: toHex(payload) })),
          messages.map(({ destination, payload }) => ({ destination, payload })),
        );
      }),
      { numRuns: 50 },
    );
  });

  it('leaves messages of an unknown layout to the metadata', () => {
    const { valueShape, ...entry } = runtime.storage('PhalaMq', 'OutboundMessages')!;
    for (const other of [
      valueShape.replace('1:Contract', '1:Other'),
      valueShape.replace('payload:<u8>', 'payload:<u16>'),
      valueShape.replace('255:Reserved', '7:New'),
    ])
      assert.equal(hasKnownMessages({ ...entry, valueShape: other }), false);
    const fewer = valueShape.replace(',6:Cluster([u8;32])', '');
    assert.notEqual(fewer, valueShape);
    assert.ok(hasKnownMessages({ ...entry, valueShape: fewer }));
  });

  it('gives the WorkerInfo that the metadata gives, in each layout', () => {
    const entry = runtime.storage('PhalaRegistry', 'Workers')!;
    const info = fc.record({
      pubkey: id,
      ecdhPubkey: id,
      runtimeVersion: fc.nat(),
      lastUpdated: fc.bigInt(0n, 2n ** 64n - 1n),
      operator: fc.option(id),
      attestationProvider: fc.option(fc.constantFrom('Root', 'Ias', 'Dcap')),
      confidenceLevel: fc.nat(255),
      initialScore: fc.option(fc.nat()),
      features: fc.array(fc.nat(), { maxLength: 4 }),
    });
    const byHand = workerInfoDecoder(runtime, entry);
    const byMetadata = workerInfoDecoder(runtime, { ...entry, valueShape: 'another' });
    const provider = 'attestation_provider:?enum{0:Root,1:Ias,2:Dcap},';
    assert.ok(entry.valueShape.includes(provider));
    const legacy = workerInfoDecoder(runtime, { ...entry, valueShape: entry.valueShape.replace(provider, '') });
    fc.assert(
      fc.property(info, (value) => {
        const encoded = runtime.registry.createTypeUnsafe(entry.valueType, [value]).toU8a();
        const decoded: WorkerInfo = byHand(encoded, value.pubkey);
        assert.deepEqual(decoded, byMetadata(encoded, value.pubkey));
        assert.equal(toHex(decoded.ecdhKey), value.ecdhPubkey);
        assert.equal(decoded.lastUpdated, value.lastUpdated);
        const at = 32 + 32 + 4 + 8 + (value.operator === null ? 1 : 33);
        const without = [...encoded];
        without.splice(at, value.attestationProvider === null ? 1 : 2);
        assert.deepEqual(legacy(Uint8Array.from(without), value.pubkey), {
          ...decoded,
          attestationProvider: undefined,
        });
      }),
      { numRuns: 50 },
    );
  });

  it('gives endpoints in order, the last records and no more than is of use', () => {
    const list = (texts: readonly Uint8Array[]): Uint8Array => {
      const writer = new Writer().u8(0).compactLength(texts.length);
      for (const text of texts) writer.bytes(text);
      return writer.finish();
    };
    const utf8 = new TextEncoder();
    const text = fc.oneof(
      fc.webUrl(),
      fc.nat(99).map((n) => `ecdh:${n}`),
      fc.string(),
    );
    fc.assert(
      fc.property(fc.array(text, { maxLength: 90 }), (texts) => {
        const isRecord = (each: string): boolean => each.startsWith('ecdh:');
        const records = texts.map((each, at) => ({ each, at })).filter(({ each }) => isRecord(each));
        const kept = new Set(records.slice(-maxRecords).map(({ at }) => at));
        let urls = 0;
        const expected = texts.filter((each, at) => (isRecord(each) ? kept.has(at) : urls++ < maxUrls));
        assert.deepEqual(
          readEndpoints(list(texts.map((each) => utf8.encode(each)))).texts,
          expected.map((each) => new TextDecoder().decode(utf8.encode(each))),
        );
      }),
    );
    assert.deepEqual(readEndpoints(list([new Uint8Array(maxStringBytes + 1), utf8.encode('a')])).texts, ['a']);
    assert.deepEqual(readEndpoints(Uint8Array.of(1, 4, 4, 97)).texts, []);
    assert.deepEqual(readEndpoints(Uint8Array.of(0, 8, 4, 97, 200)).texts, ['a']);
    const faultsOf = (text: Uint8Array): string[] => [...readEndpoints(list([text])).faults.keys()];
    assert.deepEqual(faultsOf(Uint8Array.of(0x61, 0xff)), ['endpoints not text']);
    assert.deepEqual(faultsOf(utf8.encode('a\ufffd')), [], 'what stands for such bytes is text itself');
  });

  it('throws nothing but a RelayError at any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (junk) => {
        readEndpoints(junk);
        try {
          decodeOutboundMessages(junk);
        } catch (error) {
          assert.ok(isRelayError(error));
        }
      }),
    );
  });

  it('reads and writes hex as the codec does', () => {
    fc.assert(
      fc.property(fc.uint8Array(), (value) => {
        assert.equal(fastToHex(value), toHex(value));
        assert.deepEqual(fastFromHex(toHex(value)), value);
        assert.deepEqual(fastFromHex(`0x${toHex(value).slice(2).toUpperCase()}`), value);
        assert.equal(`0x${portableHexDigits(value)}`, toHex(value));
        assert.deepEqual(portableFromHex(toHex(value)), value);
      }),
    );
    const wide = '0x\u0130\u0130';
    for (const text of ['', '0x0', '00', '0x0g', '0xg0', wide]) assert.equal(fastFromHex(text), undefined);
    for (const text of ['0x0g', '0xg0', wide]) assert.equal(portableFromHex(text), undefined);
    const long = new Uint8Array(20_000).fill(0xab);
    assert.deepEqual(fastFromHex(toHex(long)), long);
  });

  it('finds storage where the chain has it', () => {
    const expected = `${xxhashAsHex('PhalaMq', 128)}${xxhashAsHex('OutboundMessages', 128).slice(2)}`;
    assert.equal(storagePrefix('PhalaMq', 'OutboundMessages'), expected);
  });
});
