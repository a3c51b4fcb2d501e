import assert from 'node:assert/strict';
import { Keyring } from '@polkadot/keyring';
import { cryptoWaitReady } from '@polkadot/util-crypto';
import { toHex } from '../../src/codec/index.ts';
import { ready, signWith, verify } from '../../src/crypto/index.ts';
import { identityFromJson, isKeyFile } from '../../src/vault/index.ts';
import { thrown } from '../support/expect-error.ts';

describe('vault: an identity from a polkadot-js export', () => {
  before(async () => {
    await Promise.all([ready(), cryptoWaitReady()]);
  });

  it('is that of the account, sealed or not, derived or not, and signs', () => {
    const keyring = new Keyring({ type: 'sr25519' });
    for (const suri of ['//Alice', '//Bob/soft/3', `0x${'07'.repeat(32)}`]) {
      const pair = keyring.createFromUri(suri);
      for (const password of ['a password', '']) {
        const json = JSON.stringify(pair.toJson(password));
        assert.ok(isKeyFile(json));
        const identity = identityFromJson(json, password);
        assert.equal(toHex(identity.publicKey), toHex(pair.publicKey));
        const message = Uint8Array.of(1, 2, 3);
        assert.ok(verify(pair.publicKey, message, signWith(identity, message)));
      }
    }
  });

  it('needs its password', () => {
    const json = JSON.stringify(new Keyring({ type: 'sr25519' }).createFromUri('//Alice').toJson('right'));
    thrown(() => identityFromJson(json, 'wrong'), 'wrong-key-file-password');
    thrown(() => identityFromJson(json, ''), 'wrong-key-file-password');
  });

  it('is refused where it is of another kind, damaged, hostile or something else; none of it is repeated', () => {
    const json = (type: 'sr25519' | 'ed25519' | 'ecdsa', password = '') =>
      new Keyring({ type }).createFromUri('//Alice', {}, type).toJson(password);
    const good = json('sr25519');
    const sealed = json('sr25519', 'x');
    const bytes = Buffer.from(sealed.encoded, 'base64');
    bytes.writeUInt32LE(1 << 20, 32);
    const texts = [
      '',
      '{',
      '[]',
      'null',
      '{}',
      JSON.stringify(json('ed25519')),
      JSON.stringify(json('ecdsa')),
      JSON.stringify({ ...good, encoded: Buffer.from(good.encoded, 'base64').subarray(0, 40).toString('base64') }),
      JSON.stringify({ ...good, encoded: 'no base64 !!' }),
      JSON.stringify({ ...good, encoded: Buffer.alloc(117, 7).toString('base64') }),
      JSON.stringify({ ...sealed, encoded: bytes.toString('base64') }),
      JSON.stringify({ ...good, meta: { name: 'x'.repeat(20_000) } }),
    ];
    for (const text of texts) {
      const error = thrown(() => identityFromJson(text, 'x'), 'bad-key-file');
      assert.ok(!error.message.includes(good.encoded));
    }
    const raw = Buffer.from(good.encoded, 'base64');
    raw[100] = raw[100]! ^ 1;
    const mixed = JSON.stringify({ ...good, encoded: raw.toString('base64') });
    thrown(() => identityFromJson(mixed, ''), 'bad-key-file');
  });
});
