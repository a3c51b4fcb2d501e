import assert from 'node:assert/strict';
import {
  concatBytes,
  decodeBody,
  decodeEcdhRecord,
  decodeEncryptedData,
  decodeEnvelope,
  decodeSignedEnvelope,
  ecdhRecordContent,
  encodeBody,
  encodeEcdhRecord,
  encodeEncryptedData,
  encodeEnvelope,
  encodeHeader,
  encodeSignedEnvelope,
  envelopeContent,
  fromHex,
  loginContent,
  messageId,
  signedEnvelopeFromJson,
  signedEnvelopeToJson,
  toHex,
  topicOf,
} from '../../src/codec/index.ts';
import { bodyOf, headerOf, keysOf, vectors } from '../support/vectors.ts';

const { genesisHash } = vectors;

describe('codec: vectors of the protocol', () => {
  it('encodes and decodes every body', () => {
    for (const vector of vectors.bodies) {
      assert.equal(toHex(encodeBody(bodyOf(vector))), vector.encoded);
      assert.equal(toHex(encodeBody(decodeBody(fromHex(vector.encoded)))), vector.encoded);
    }
  });

  it('encodes the plaintext of every envelope', () => {
    for (const vector of vectors.envelopes) assert.equal(toHex(encodeBody(bodyOf(vector.body))), vector.plaintext);
  });

  it('encodes and decodes every envelope', () => {
    for (const vector of vectors.envelopes) {
      const header = headerOf(vector);
      const decoded = decodeEnvelope(fromHex(vector.envelope));
      assert.equal(toHex(encodeEnvelope(decoded)), vector.envelope);
      assert.equal(decoded.suite, 'v1');
      assert.deepEqual(encodeHeader(decoded.header), encodeHeader(header));
      assert.deepEqual(
        { fromKind: decoded.header.fromKind, from: decoded.header.from, to: decoded.header.to },
        { fromKind: header.fromKind, from: header.from, to: header.to },
      );
      assert.equal(decoded.header.nonce, BigInt(vector.nonce));
      assert.equal(decoded.header.sentAt, BigInt(vector.sentAt));
      assert.equal(toHex(decoded.iv), vector.iv);
      assert.equal(decoded.ciphertext.length, fromHex(vector.plaintext).length + 16);
    }
  });

  it('authenticates 0x01 ‖ genesisHash ‖ header', () => {
    for (const vector of vectors.envelopes) {
      const aad = concatBytes(Uint8Array.of(1), fromHex(genesisHash), encodeHeader(headerOf(vector)));
      assert.equal(toHex(aad), vector.aad);
    }
  });

  it('gives every envelope its message id and topic', () => {
    for (const vector of vectors.envelopes) {
      assert.equal(messageId({ genesisHash, envelope: fromHex(vector.envelope) }), vector.messageId);
      assert.equal(toHex(topicOf(keysOf(vector.recipient).identityPublic)), vector.topic);
    }
  });

  it('encodes and decodes what pRuntime exchanges, alone and as an envelope', () => {
    for (const vector of vectors.phalaEncryptedData) {
      const decoded = decodeEncryptedData(fromHex(vector.encryptedData));
      assert.equal(toHex(decoded.iv), vector.iv);
      assert.equal(toHex(decoded.pubkey), keysOf(vector.sender).ecdhPublic);
      assert.equal(toHex(encodeEncryptedData(decoded)), vector.encryptedData);
      const envelope = concatBytes(Uint8Array.of(0), fromHex(vector.encryptedData));
      assert.deepEqual(decodeEnvelope(envelope), { suite: 'phala', ...decoded });
      assert.deepEqual(encodeEnvelope({ suite: 'phala', ...decoded }), envelope);
    }
  });

  it('builds what is signed for an off-chain message', () => {
    for (const vector of vectors.signedEnvelopes) {
      const envelope = fromHex(vector.signedContent).slice(34);
      // The altered entry differs in its signature or its chain, never in the form of what is signed.
      assert.equal(vector.signedContent.slice(0, 6), '0xff4b');
      assert.equal(
        toHex(envelopeContent({ genesisHash: fromHex(vector.signedContent).slice(2, 34), envelope })),
        vector.signedContent,
      );
    }
  });

  it('encodes and decodes every signed envelope, in SCALE and in JSON', () => {
    const encodedOnes = vectors.signedEnvelopes.flatMap(({ signedEnvelope }) => signedEnvelope ?? []);
    assert.ok(encodedOnes.length > 0);
    for (const encoded of encodedOnes) {
      const decoded = decodeSignedEnvelope(fromHex(encoded));
      assert.equal(toHex(encodeSignedEnvelope(decoded)), encoded);
      const json = signedEnvelopeToJson(decoded);
      const overTheWire = JSON.parse(JSON.stringify(json)) as typeof json;
      assert.deepEqual(signedEnvelopeFromJson(overTheWire), decoded);
    }
  });

  it('reads the fields of a signed envelope', () => {
    const vector = vectors.signedEnvelopes[0]!;
    const decoded = decodeSignedEnvelope(fromHex(vector.signedEnvelope!));
    assert.equal(decoded.identity, keysOf(vector.sender).identityPublic);
    assert.equal(toHex(decoded.signature), vector.signature);
    assert.equal(toHex(envelopeContent({ genesisHash, envelope: decoded.envelope })), vector.signedContent);
  });

  it('encodes and decodes every ECDH record, and builds what is signed for it', () => {
    for (const vector of vectors.ecdhRecords) {
      const decoded = decodeEcdhRecord(vector.record);
      assert.equal(decoded.epoch, vector.epoch);
      assert.equal(encodeEcdhRecord(decoded), vector.record);
      const content = ecdhRecordContent({
        genesisHash,
        identity: keysOf(vector.entity).identityPublic,
        ecdhPublic: decoded.ecdhPublic,
        epoch: vector.epoch,
      });
      assert.equal(toHex(content) === vector.signedContent, vector.valid, vector.record);
    }
  });

  it('builds what is signed for every challenge', () => {
    for (const vector of vectors.challenges) {
      const { origin, serverNonce, expiresAt } = vector;
      const identity = keysOf(vector.entity).identityPublic;
      const content = loginContent({ genesisHash, identity, origin, serverNonce, expiresAt });
      assert.equal(toHex(content) === vector.signedContent, vector.valid, origin);
    }
  });
});
