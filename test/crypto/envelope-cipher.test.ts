import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  concatBytes,
  decodeEnvelope,
  encodeBody,
  encodeEnvelope,
  encodeHeader,
  encodeEncryptedData,
  fromHex,
  headerLength,
  type Hex,
  type EnvelopeV1,
} from '../../src/codec/index.ts';
import { backend, decodeV1, openEnvelope, openPhala, ready, sealEnvelope, sealPhala } from '../../src/crypto/index.ts';
import * as arbitrary from '../support/arbitraries.ts';
import { thrown } from '../support/expect-error.ts';
import { flipped } from '../support/hostile-keys.ts';
import { vectors } from '../support/vectors.ts';

const { genesisHash } = vectors;
const commKey = new Uint8Array(32).fill(1);
const iv = new Uint8Array(12).fill(2);
const content = new TextEncoder().encode('hello');
const header = {
  fromKind: 'worker',
  from: `0x${'0a'.repeat(32)}`,
  to: `0x${'0b'.repeat(32)}`,
  senderKey: new Uint8Array(32).fill(3),
  recipientKey: new Uint8Array(32).fill(4),
  nonce: 5n,
  sentAt: 6n,
} as const;

describe('crypto: an envelope', () => {
  before(ready);
  const envelope = sealEnvelope({ commKey, genesisHash, header, iv, body: { kind: 'data', content } });

  it('opens to what was sealed, any header and any body', () => {
    fc.assert(
      fc.property(
        arbitrary.header,
        arbitrary.body,
        arbitrary.fixed(32),
        arbitrary.fixed(12),
        (head, body, key, someIv) => {
          const sealed = sealEnvelope({ commKey: key, genesisHash, header: head, iv: someIv, body });
          const opened = openEnvelope({ commKey: key, genesisHash, envelope: sealed });
          assert.deepEqual(encodeHeader(opened.header), encodeHeader(head));
          assert.deepEqual(encodeBody(opened.body), encodeBody(body));
          // What came out does not change with what went in.
          const [given, before] = [sealed.slice(), encodeHeader(opened.header)];
          const again = openEnvelope({ commKey: () => key, genesisHash, envelope: given });
          given.fill(0);
          assert.deepEqual(again, opened);
          assert.deepEqual(encodeHeader(again.header), before);
        },
      ),
      { numRuns: 40 },
    );
  });

  it('does not open with any one bit of its header, IV or ciphertext changed', () => {
    const decoded = decodeEnvelope(envelope) as EnvelopeV1;
    const ciphertextStart = envelope.length - decoded.ciphertext.length;
    const lengthStart = 1 + headerLength + 12;
    for (let bit = 8; bit < envelope.length * 8; bit++) {
      const byte = bit >> 3;
      if (byte >= lengthStart && byte < ciphertextStart) continue;
      // A kind above 1 is none; all else is a header like another.
      const code = byte === 1 && (bit & 7) > 0 ? 'unknown-variant' : 'open-failed';
      thrown(() => openEnvelope({ commKey, genesisHash, envelope: flipped(envelope, bit) }), code);
    }
  });

  it('does not open with a ciphertext cut or grown to any length', () => {
    const decoded = decodeEnvelope(envelope) as EnvelopeV1;
    for (let length = 0; length < decoded.ciphertext.length; length++) {
      const cut = { ...decoded, ciphertext: decoded.ciphertext.slice(0, length) };
      thrown(() => openEnvelope({ commKey, genesisHash, envelope: encodeEnvelope(cut) }), 'open-failed');
    }
    const grown = { ...decoded, ciphertext: Uint8Array.of(...decoded.ciphertext, 0) };
    thrown(() => openEnvelope({ commKey, genesisHash, envelope: encodeEnvelope(grown) }), 'open-failed');
  });

  it('is refused when cut at any byte, or with a byte more', () => {
    for (let length = 0; length < envelope.length; length++)
      thrown(() => openEnvelope({ commKey, genesisHash, envelope: envelope.slice(0, length) }), 'truncated');
    thrown(() => openEnvelope({ commKey, genesisHash, envelope: Uint8Array.of(...envelope, 0) }), 'trailing-bytes');
  });

  it('does not open for another chain', () => {
    for (const other of [`0x${'00'.repeat(32)}`, `${genesisHash.slice(0, -1)}${genesisHash.endsWith('0') ? 1 : 0}`])
      thrown(() => openEnvelope({ commKey, genesisHash: other as Hex, envelope }), 'open-failed');
  });

  it('does not open with another key', () => {
    thrown(() => openEnvelope({ commKey: flipped(commKey, 100), genesisHash, envelope }), 'open-failed');
  });

  it('is refused with a key, IV, genesis hash or header field of the wrong length', () => {
    const body = { kind: 'data', content } as const;
    const short = new Uint8Array(11);
    thrown(() => sealEnvelope({ commKey: short, genesisHash, header, iv, body }), 'bad-length');
    thrown(() => sealEnvelope({ commKey, genesisHash: '0x00', header, iv, body }), 'bad-length');
    thrown(() => sealEnvelope({ commKey, genesisHash, header, iv: short, body }), 'bad-length');
    thrown(() => sealEnvelope({ commKey, genesisHash, header: { ...header, from: '0x00' }, iv, body }), 'bad-length');
    thrown(() => openEnvelope({ commKey: short, genesisHash, envelope }), 'bad-length');
  });

  it('with a body that can not be read is an error of that message', () => {
    // Whoever holds the key may have sealed anything.
    const aad = concatBytes(Uint8Array.of(1), fromHex(genesisHash), encodeHeader(header));
    const sealedAs = (plaintext: Uint8Array): Uint8Array =>
      encodeEnvelope({ suite: 'v1', header, iv, ciphertext: backend().sealAes256Gcm(commKey, iv, aad, plaintext) });
    const open = (plaintext: Uint8Array) => () => openEnvelope({ commKey, genesisHash, envelope: sealedAs(plaintext) });
    thrown(open(Uint8Array.of(9)), 'unknown-variant');
    thrown(open(new Uint8Array()), 'truncated');
    thrown(open(Uint8Array.of(0, 4)), 'truncated');
    thrown(open(Uint8Array.of(0, 0, 0)), 'trailing-bytes');
    thrown(open(Uint8Array.of(0, 0xfe, 0xff, 0xff, 0xff)), 'truncated');
    assert.equal(open(Uint8Array.of(0, 0))().body.kind, 'data');
  });

  it('of suite phala is never taken for one of v1', () => {
    const data = encodeEncryptedData({ iv, pubkey: header.senderKey, data: content });
    thrown(() => decodeV1(Uint8Array.of(0, ...data)), 'suite-unsupported');
    thrown(() => openEnvelope({ commKey, genesisHash, envelope: Uint8Array.of(0, ...data) }), 'suite-unsupported');
  });
});

describe("crypto: pRuntime's EncryptedData", () => {
  before(ready);
  const z = new Uint8Array(32).fill(5);
  const pubkey = new Uint8Array(32).fill(6);

  it('opens to what was sealed', () => {
    fc.assert(
      fc.property(arbitrary.content, arbitrary.fixed(12), (data, someIv) => {
        assert.deepEqual(openPhala({ z, encryptedData: sealPhala({ z, iv: someIv, pubkey, data }) }), data);
      }),
      { numRuns: 30 },
    );
  });

  it('does not open altered, cut or with another key; its pubkey is not authenticated', () => {
    const sealed = sealPhala({ z, iv, pubkey, data: content });
    const pubkeyStart = 12;
    for (let bit = 0; bit < sealed.length * 8; bit++) {
      const byte = bit >> 3;
      if (byte >= pubkeyStart && byte < pubkeyStart + 32)
        assert.deepEqual(openPhala({ z, encryptedData: flipped(sealed, bit) }), content);
      else if (byte !== pubkeyStart + 32)
        thrown(() => openPhala({ z, encryptedData: flipped(sealed, bit) }), 'open-failed');
    }
    for (let length = 0; length < 16; length++)
      thrown(
        () => openPhala({ z, encryptedData: encodeEncryptedData({ iv, pubkey, data: new Uint8Array(length) }) }),
        'open-failed',
      );
    thrown(() => openPhala({ z: flipped(z, 1), encryptedData: sealed }), 'open-failed');
  });
});
