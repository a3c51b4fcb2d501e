import fc from 'fast-check';
import {
  concatBytes,
  decodeBody,
  decodeCommandPayload,
  decodeEcdhRecord,
  decodeEncryptedData,
  decodeEnvelope,
  decodeForwarded,
  decodeMessageBatch,
  decodeSignedEnvelope,
  encodeBody,
  encodeCommandPayload,
  encodeEcdhRecord,
  encodeEncryptedData,
  encodeEnvelope,
  encodeForwarded,
  encodeMessageBatch,
  encodeSignedEnvelope,
  toHex,
} from '../../src/codec/index.ts';
import { decodeTrieNode } from '../../src/chain/trie/trie-node.ts';
import { keyPairFromSeed, openEnvelope, openPhala, ready, sealEnvelope, sealPhala } from '../../src/crypto/index.ts';
import { decodeFacts, decodeHello, encodeFacts, encodeHello } from '../../src/vault/agent/hello.ts';
import { decodeFailure, encodeFailure } from '../../src/vault/agent/protocol.ts';
import { decodeContainer, sealContainer } from '../../src/vault/container.ts';
import { decodeContents, encodeContents } from '../../src/vault/contents.ts';
import { RelayError } from '../../src/errors/index.ts';
import * as arbitrary from '../support/arbitraries.ts';
import { decodeClientFrame, encodeClientFrame } from '../../src/relay/client-frames.ts';
import { decodeRelayFrame, encodeRelayFrame } from '../../src/relay/relay-frames.ts';

/** Something that reads bytes from strangers. */
export interface Target {
  readonly name: string;
  readonly decode: (bytes: Uint8Array) => unknown;
  /** Where a decoder accepts one encoding of a value only: encodes what it gave. */
  readonly encode?: (value: never) => Uint8Array;
  /** Valid encodings, to be mutated. */
  readonly valid: fc.Arbitrary<Uint8Array>;
}

await ready();
const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
const latin = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');
const key = new Uint8Array(32).fill(7);
const pair = keyPairFromSeed(key);
const genesisHash = new Uint8Array(32).fill(1);
const epochs = [{ epoch: 3, keyPair: pair, createdAt: 5, state: 'current' as const, seals: 9 }];

export const targets: readonly Target[] = [
  { name: 'body', decode: (bytes) => decodeBody(bytes), encode: encodeBody, valid: arbitrary.body.map(encodeBody) },
  {
    name: 'EncryptedData',
    decode: decodeEncryptedData,
    encode: encodeEncryptedData,
    valid: arbitrary.encryptedData.map(encodeEncryptedData),
  },
  {
    name: 'command payload',
    decode: decodeCommandPayload,
    encode: encodeCommandPayload,
    valid: arbitrary.commandPayload.map(encodeCommandPayload),
  },
  {
    name: 'envelope',
    decode: (bytes) => decodeEnvelope(bytes),
    encode: encodeEnvelope,
    valid: arbitrary.envelope.map(encodeEnvelope),
  },
  {
    name: 'SignedEnvelope',
    decode: decodeSignedEnvelope,
    encode: encodeSignedEnvelope,
    valid: arbitrary.signedEnvelope.map(encodeSignedEnvelope),
  },
  {
    name: 'batch of messages',
    decode: (bytes) => decodeMessageBatch(bytes, 256),
    encode: encodeMessageBatch,
    valid: fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 8 }).map(encodeMessageBatch),
  },
  {
    name: 'Forwarded',
    decode: decodeForwarded,
    encode: encodeForwarded,
    valid: arbitrary.forwarded.map(encodeForwarded),
  },
  {
    name: 'ECDH record',
    decode: (bytes) => decodeEcdhRecord(latin(bytes)),
    encode: (record) => Buffer.from(encodeEcdhRecord(record), 'latin1'),
    valid: fc
      .record({ ecdhPublic: arbitrary.fixed(32), epoch: arbitrary.u32, signature: arbitrary.fixed(64) })
      .map((record) => utf8(encodeEcdhRecord(record))),
  },
  {
    name: 'opening of an envelope',
    decode: (envelope) => openEnvelope({ commKey: key, genesisHash, envelope }),
    valid: fc
      .tuple(arbitrary.header, arbitrary.fixed(12), arbitrary.body)
      .map(([header, iv, body]) => sealEnvelope({ commKey: key, genesisHash, header, iv, body })),
  },
  {
    name: 'opening of EncryptedData',
    decode: (encryptedData) => openPhala({ z: key, encryptedData }),
    valid: fc
      .tuple(arbitrary.fixed(12), arbitrary.content)
      .map(([iv, data]) => sealPhala({ z: key, iv, pubkey: key, data })),
  },
  {
    name: 'frame of a client',
    decode: decodeClientFrame,
    encode: encodeClientFrame,
    valid: fc
      .oneof(
        fc.record({ type: fc.constant('send' as const), id: arbitrary.u32, signedEnvelope: arbitrary.content }),
        fc.record({ type: fc.constant('challenge-me' as const), id: arbitrary.u32 }),
        fc.record({ type: fc.constant('credit' as const), deliveries: arbitrary.u32 }),
        fc.record({ type: fc.constant('ack' as const), upTo: arbitrary.u64 }),
        fc.record({
          type: fc.constant('await-reply' as const),
          id: arbitrary.u32,
          senderKey: arbitrary.fixed(32),
          after: arbitrary.u64,
        }),
        fc.record({
          type: fc.constant('reply-done' as const),
          senderKey: arbitrary.fixed(32),
          upTo: arbitrary.u64,
        }),
        fc.record({
          type: fc.constantFrom('login' as const, 'prove' as const),
          id: arbitrary.u32,
          identity: arbitrary.id,
          origin: fc.webUrl(),
          signature: arbitrary.fixed(64),
        }),
        fc.record({ type: fc.constant('post-reply' as const), id: arbitrary.u32, signedEnvelope: arbitrary.content }),
        fc.record({
          type: fc.constant('await-delivered' as const),
          id: arbitrary.u32,
          to: arbitrary.id,
          messageId: arbitrary.id,
          sentAt: arbitrary.u64,
        }),
        fc.record({ type: fc.constant('forget' as const), id: arbitrary.u32 }),
      )
      .map(encodeClientFrame),
  },
  {
    name: 'frame of a relay',
    decode: decodeRelayFrame,
    valid: fc
      .oneof(
        fc.record({ type: fc.constant('delivery' as const), cursor: arbitrary.u64, signedEnvelope: arbitrary.content }),
        fc.record({ type: fc.constant('acked' as const), upTo: arbitrary.u64 }),
        fc.record({
          type: fc.constant('receipt' as const),
          id: arbitrary.u32,
          status: fc.constantFrom('stored' as const, 'delivered' as const, 'duplicate' as const, 'forwarded' as const),
          messageId: arbitrary.id,
        }),
        fc.record({
          type: fc.constant('hello' as const),
          version: fc.constantFrom(1 as const, 2 as const),
          genesisHash: arbitrary.id,
          window: arbitrary.u32,
          maxMessageBytes: arbitrary.u32,
          identity: fc.option(arbitrary.id, { nil: undefined }),
        }),
        fc.record({
          type: fc.constant('error' as const),
          id: arbitrary.u32,
          code: fc.string(),
          message: fc.string(),
          remedy: fc.string(),
          details: fc.json(),
        }),
        fc.record({
          type: fc.constant('challenge' as const),
          id: arbitrary.u32,
          serverNonce: arbitrary.fixed(32),
          expiresAt: arbitrary.u64,
        }),
        fc.record({
          type: fc.constant('logged-in' as const),
          id: arbitrary.u32,
          generation: arbitrary.fixed(16).map((bytes) => toHex(bytes)),
          acknowledged: arbitrary.u64,
        }),
        fc.record({
          type: fc.constant('reply' as const),
          id: arbitrary.u32,
          cursor: arbitrary.u64,
          signedEnvelope: arbitrary.content,
        }),
      )
      .map(encodeRelayFrame),
  },
  {
    name: 'container of a vault',
    decode: (bytes) => decodeContainer(bytes, 'x'),
    valid: fc
      .tuple(arbitrary.fixed(24), fc.uint8Array({ maxLength: 40 }), fc.uint8Array({ maxLength: 200 }))
      .map(([nonce, parameters, contents]) => sealContainer(key, { sealerKind: 0, parameters }, contents, nonce)),
  },
  {
    name: 'contents of a vault',
    decode: (bytes) => decodeContents(bytes, 'x'),
    encode: encodeContents,
    valid: fc.constant(encodeContents({ identity: pair, epochs, erased: [{ epoch: 1, publicKey: key }] })),
  },
  {
    name: 'hello of an agent',
    decode: (bytes) => decodeFacts(decodeHello(bytes).rest),
    valid: fc.string().map((dataPath) => encodeHello(encodeFacts({ identity: key, dataPath }))),
  },
  {
    name: 'failure told by an agent',
    decode: decodeFailure,
    valid: fc.string().map((reason) => encodeFailure(new RelayError('bad-value', { details: { what: 'It', reason } }))),
  },
  {
    name: 'trie node',
    decode: decodeTrieNode,
    valid: fc
      .tuple(fc.constantFrom(0x41, 0x82, 0xc1, 0x21, 0x11, 0x7f, 0xbf), fc.uint8Array({ maxLength: 120 }))
      .map(([first, rest]) => Uint8Array.of(first, ...rest)),
  },
];

/** Valid encodings and random bytes: bits and bytes changed, lengths broken, cut, spliced with another, grown. */
export function inputs({ valid }: Target): fc.Arbitrary<Uint8Array> {
  const edits = fc.array(fc.tuple(fc.nat(), fc.oneof(fc.nat(255), fc.constantFrom(0, 1, 0xfc, 0xfd, 0xfe, 0xff))), {
    maxLength: 4,
  });
  const cut = fc.option(fc.nat(), { nil: undefined });
  const mutated = fc
    .tuple(valid, valid, edits, cut, fc.boolean(), fc.uint8Array({ maxLength: 4 }))
    .map(([bytes, other, changes, length, isSpliced, tail]) => {
      const kept = length === undefined ? bytes.slice() : bytes.slice(0, length % (bytes.length + 1));
      for (const [at, value] of changes) if (kept.length > 0) kept[at % kept.length] = value;
      return isSpliced
        ? concatBytes(kept, other.subarray(Math.min(kept.length, other.length)), tail)
        : concatBytes(kept, tail);
    });
  return fc.oneof({ weight: 8, arbitrary: mutated }, { weight: 1, arbitrary: fc.uint8Array({ maxLength: 400 }) });
}
