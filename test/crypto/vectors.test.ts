import assert from 'node:assert/strict';
import {
  decodeEnvelope,
  ecdhRecordContent,
  encodeEcdhRecord,
  decodeEcdhRecord,
  encodeSignedEnvelope,
  envelopeContent,
  fromHex,
  loginContent,
  messageId,
  toHex,
} from '../../src/codec/index.ts';
import { activateBackend, type CryptoBackend } from '../../src/crypto/core.ts';
import { loadNodeBackend } from '../../src/crypto/node-backend.ts';
import { portableBackend } from '../../src/crypto/portable-backend.ts';
import {
  agree,
  deriveCommKey,
  keyPairFromSeed,
  openEnvelope,
  openPhala,
  sealEnvelope,
  sealPhala,
  verify,
} from '../../src/crypto/index.ts';
import { bodyOf, headerOf, keysOf, vectors } from '../support/vectors.ts';

const genesisHash = vectors.genesisHash;

function sharedBetween(own: string, peer: string): Uint8Array {
  return agree(keyPairFromSeed(keysOf(own).ecdhSeed).secretKey, fromHex(keysOf(peer).ecdhPublic));
}

const backends: readonly [string, () => Promise<CryptoBackend>][] = [
  ['portable', async () => portableBackend],
  ['node', loadNodeBackend],
];

for (const [name, load] of backends) {
  describe(`crypto: vectors of the protocol, ${name} backend`, () => {
    before(async () => {
      activateBackend(await load());
    });

    it('expands seeds to the key pairs', () => {
      for (const keys of vectors.keys) {
        assert.equal(toHex(keyPairFromSeed(keys.identitySeed).publicKey), keys.identityPublic);
        const ecdh = keyPairFromSeed(keys.ecdhSeed);
        assert.equal(toHex(ecdh.publicKey), keys.ecdhPublic);
        assert.equal(toHex(ecdh.secretKey.subarray(0, 32)), keys.ecdhScalarCanonical);
      }
    });

    it('agrees on Z from both sides and derives the CommKey of each direction', () => {
      for (const { sender, recipient, sharedPoint, commKey } of vectors.agreements) {
        const z = sharedBetween(sender, recipient);
        assert.equal(toHex(z), sharedPoint);
        assert.equal(toHex(sharedBetween(recipient, sender)), sharedPoint);
        const [senderKey, recipientKey] = [keysOf(sender), keysOf(recipient)].map((k) => fromHex(k.ecdhPublic));
        assert.ok(senderKey !== undefined && recipientKey !== undefined);
        assert.equal(toHex(deriveCommKey({ z, senderKey, recipientKey })), commKey);
      }
    });

    it('seals and opens every envelope', () => {
      for (const vector of vectors.envelopes) {
        const z = sharedBetween(vector.sender, vector.recipient);
        const header = headerOf(vector);
        const commKey = deriveCommKey({
          z,
          senderKey: fromHex(keysOf(vector.sender).ecdhPublic),
          recipientKey: fromHex(keysOf(vector.recipient).ecdhPublic),
        });
        const body = bodyOf(vector.body);
        const envelope = sealEnvelope({ commKey, genesisHash, header, iv: fromHex(vector.iv), body });
        assert.equal(toHex(envelope), vector.envelope);
        assert.equal(messageId({ genesisHash, envelope }), vector.messageId);
        const opened = openEnvelope({ commKey, genesisHash, envelope });
        assert.equal(opened.body.kind, body.kind);
        const again = sealEnvelope({ commKey, genesisHash, ...opened, iv: fromHex(vector.iv) });
        assert.equal(toHex(again), vector.envelope);
      }
    });

    it('seals and opens what pRuntime exchanges', () => {
      for (const { sender, recipient, iv, plaintext, encryptedData } of vectors.phalaEncryptedData) {
        const z = sharedBetween(sender, recipient);
        const sealed = sealPhala({ z, iv, pubkey: keysOf(sender).ecdhPublic, data: plaintext });
        assert.equal(toHex(sealed), encryptedData);
        assert.equal(toHex(openPhala({ z, encryptedData: sealed })), plaintext);
      }
    });

    it('tells valid signatures of off-chain messages from altered ones', () => {
      for (const { sender, signedContent, signature, signedEnvelope, valid } of vectors.signedEnvelopes) {
        const identity = keysOf(sender).identityPublic;
        assert.equal(verify(fromHex(identity), fromHex(signedContent), fromHex(signature)), valid);
        if (signedEnvelope === undefined) continue;
        const envelope = fromHex(signedContent).slice(34);
        assert.equal(decodeEnvelope(envelope).suite, 'v1');
        assert.equal(toHex(envelopeContent({ genesisHash, envelope })), signedContent);
        assert.equal(toHex(encodeSignedEnvelope({ identity, signature, envelope })), signedEnvelope);
      }
    });

    it('tells valid ECDH records from altered ones', () => {
      for (const { entity, epoch, record, valid, signedContent } of vectors.ecdhRecords) {
        const identity = fromHex(keysOf(entity).identityPublic);
        const decoded = decodeEcdhRecord(record);
        assert.equal(encodeEcdhRecord(decoded), record);
        assert.equal(decoded.epoch, epoch);
        const content = ecdhRecordContent({ genesisHash, identity, ...decoded });
        assert.equal(verify(identity, content, decoded.signature), valid);
        if (valid) assert.equal(toHex(content), signedContent);
      }
    });

    it('tells valid answers to a challenge from others', () => {
      for (const { entity, origin, serverNonce, expiresAt, signature, valid, signedContent } of vectors.challenges) {
        const identity = fromHex(keysOf(entity).identityPublic);
        const content = loginContent({ genesisHash, identity, origin, serverNonce, expiresAt });
        assert.equal(verify(identity, content, fromHex(signature)), valid);
        if (valid) assert.equal(toHex(content), signedContent);
      }
    });
  });
}
