import assert from 'node:assert/strict';
import fc from 'fast-check';
import { decodeEcdhRecord, ecdhRecordContent, encodeEcdhRecord, isEcdhRecord } from '../../src/codec/index.ts';
import { isRelayError } from '../../src/errors/index.ts';
import { fixed, id, u32 } from '../support/arbitraries.ts';
import { vectors } from '../support/vectors.ts';

const valid = vectors.ecdhRecords[0]!.record;

describe('codec: ECDH records', () => {
  it('give back what was encoded, in one form only', () => {
    fc.assert(
      fc.property(fixed(32), u32, fixed(64), (ecdhPublic, epoch, signature) => {
        const record = encodeEcdhRecord({ ecdhPublic, epoch, signature });
        assert.ok(isEcdhRecord(record));
        assert.deepEqual(decodeEcdhRecord(record), { ecdhPublic, epoch, signature });
        assert.equal(encodeEcdhRecord(decodeEcdhRecord(record)), record);
      }),
    );
  });

  it('are refused in any other form', () => {
    for (const text of [
      '',
      'ecdh:',
      ` ${valid}`,
      `${valid} `,
      `${valid}\n`,
      `${valid};x=1`,
      valid.replace('ecdh', 'ECDH'),
      valid.toUpperCase(),
      valid.replace('epoch=1', 'epoch=01'),
      valid.replace('epoch=1', 'epoch=-1'),
      valid.replace('epoch=1', 'epoch=1.0'),
      valid.replace('epoch=1', 'epoch=1e3'),
      valid.replace('epoch=1', 'epoch='),
      valid.replace('epoch=1', 'epoch=4294967296'),
      valid.replace('epoch=1', 'epoch=99999999999'),
      valid.replace(/ab/, 'AB'),
      valid.slice(0, -2),
      `${valid}00`,
      'https://relay.example.net',
    ])
      assert.throws(
        () => decodeEcdhRecord(text),
        (error) => isRelayError(error, 'bad-ecdh-record'),
        text,
      );
  });

  it('throw nothing but bad-ecdh-record, whatever the text', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.string().map((text) => `ecdh:0x${text}`),
        ),
        (text) => {
          assert.throws(
            () => decodeEcdhRecord(text),
            (error) => isRelayError(error, 'bad-ecdh-record'),
          );
        },
      ),
    );
  });

  it('have an epoch of 32 bits, in the record and in what is signed', () => {
    const key = new Uint8Array(32);
    for (const epoch of [-1, 2 ** 32, 1.5, Number.NaN, Infinity]) {
      assert.throws(
        () => encodeEcdhRecord({ ecdhPublic: key, epoch, signature: new Uint8Array(64) }),
        (error) => isRelayError(error, 'bad-ecdh-record'),
      );
      assert.throws(
        () => ecdhRecordContent({ genesisHash: key, identity: key, ecdhPublic: key, epoch }),
        (error) => isRelayError(error, 'bad-value'),
      );
    }
  });

  it('sign different contents for different chains, identities, keys and epochs', () => {
    const input = fc.record({ genesisHash: id, identity: id, ecdhPublic: id, epoch: u32 });
    fc.assert(
      fc.property(input, input, (a, b) => {
        const same = JSON.stringify(a) === JSON.stringify(b);
        assert.equal(Buffer.from(ecdhRecordContent(a)).equals(ecdhRecordContent(b)), same);
      }),
    );
  });
});
