import assert from 'node:assert/strict';
import { newerKey } from '../../src/channel/index.ts';
import { ecdhRecordContent, encodeEcdhRecord, toHex, type Hex } from '../../src/codec/index.ts';
import { keyPairFromSeed, ready, signWith } from '../../src/crypto/index.ts';
import { RelayError } from '../../src/errors/index.ts';

const genesisHash: Hex = `0x${'a0'.repeat(32)}`;

describe('newerKey', () => {
  before(ready);

  it('takes the key of a later epoch that the recipient signed for this chain, and nothing else', () => {
    const [owner, other] = [1, 2].map((n) => keyPairFromSeed(new Uint8Array(32).fill(n)));
    const identity = toHex(owner!.publicKey);
    const ecdhPublic = keyPairFromSeed(new Uint8Array(32).fill(3)).publicKey;
    const record = (epoch: number, signer = owner!, genesis = genesisHash): string => {
      const content = ecdhRecordContent({ genesisHash: genesis, identity, ecdhPublic, epoch });
      return encodeEcdhRecord({ ecdhPublic, epoch, signature: signWith(signer, content) });
    };
    const told = (text: unknown, code: 'epoch-erased' | 'unknown-epoch' | 'bad-signature' = 'epoch-erased') =>
      newerKey(new RelayError(code, { details: { epoch: 4, record: text as string } }), {
        genesisHash,
        identity,
        used: { epoch: 4 },
      });
    assert.deepEqual(told(record(5)), { epoch: 5, ecdhKey: ecdhPublic });
    assert.deepEqual(told(record(9), 'unknown-epoch'), { epoch: 9, ecdhKey: ecdhPublic });
    assert.equal(told(record(4)), undefined);
    assert.equal(told(record(3)), undefined);
    assert.equal(told(record(5, other)), undefined);
    assert.equal(told(record(5, owner, `0x${'ff'.repeat(32)}`)), undefined);
    assert.equal(told('ecdh:junk'), undefined);
    assert.equal(told(undefined), undefined);
    assert.equal(told(record(5), 'bad-signature'), undefined);
    assert.equal(newerKey(new Error('x'), { genesisHash, identity, used: { epoch: 0 } }), undefined);
  });
});
