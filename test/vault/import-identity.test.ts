import assert from 'node:assert/strict';
import { DEV_PHRASE, Keyring } from '@polkadot/keyring';
import { cryptoWaitReady, mnemonicGenerate, sr25519PairFromSeed } from '@polkadot/util-crypto';
import { fromHex, toHex } from '../../src/codec/index.ts';
import { ready, signWith, verify } from '../../src/crypto/index.ts';
import { identityFromSecret } from '../../src/vault/index.ts';
import { thrown } from '../support/expect-error.ts';

const seed = `0x${'1f'.repeat(32)}`;

describe('vault: an identity from elsewhere', () => {
  const keyring = new Keyring({ type: 'sr25519' });
  const theirs = (suri: string): string => toHex(keyring.createFromUri(suri).publicKey);
  const ours = (secret: string): string => toHex(identityFromSecret(secret).publicKey);
  before(async () => {
    await Promise.all([ready(), cryptoWaitReady()]);
  });

  it('by mnemonic is that of @polkadot/keyring', () => {
    for (const mnemonic of [DEV_PHRASE, mnemonicGenerate(12), mnemonicGenerate(24)]) {
      assert.equal(ours(mnemonic), theirs(mnemonic));
      assert.equal(ours(`${mnemonic}///password`), theirs(`${mnemonic}///password`));
    }
    assert.notEqual(ours(`${DEV_PHRASE}///a`), ours(DEV_PHRASE));
  });

  it('by 32-byte seed is that of @polkadot/keyring', () => {
    assert.equal(ours(seed), theirs(seed));
    assert.equal(ours(seed.toUpperCase().replace('0X', '0x')), theirs(seed));
    assert.equal(ours(` ${seed}\n`), theirs(seed));
  });

  it('with hard junctions is that of @polkadot/keyring', () => {
    for (const path of ['//Alice', '//Bob//stash', '//polkadot//0', '//1//2//3']) {
      assert.equal(ours(`${DEV_PHRASE}${path}`), theirs(path));
      assert.equal(ours(path), theirs(path));
      assert.equal(ours(`${seed}${path}`), theirs(`${seed}${path}`));
    }
  });

  it('with soft junctions is that of @polkadot/keyring, each time', () => {
    // One in eight of these scalars is small enough to be taken for the other layout.
    for (let index = 0; index < 40; index++) {
      const suri = `${DEV_PHRASE}/${index}`;
      assert.equal(ours(suri), theirs(suri), suri);
    }
    assert.equal(ours(`${DEV_PHRASE}//Alice/soft//hard/7`), theirs(`${DEV_PHRASE}//Alice/soft//hard/7`));
  });

  it('by 64-byte secret key is the same in both layouts', () => {
    const pair = sr25519PairFromSeed(fromHex(seed));
    const { secretKey: canonical, publicKey } = identityFromSecret(seed);
    assert.equal(toHex(publicKey), toHex(pair.publicKey));
    assert.notEqual(toHex(canonical), toHex(pair.secretKey));
    assert.equal(ours(toHex(canonical)), toHex(pair.publicKey));
    assert.equal(ours(toHex(pair.secretKey)), toHex(pair.publicKey));
  });

  it('signs as the original does', () => {
    for (const secret of [seed, DEV_PHRASE, `${DEV_PHRASE}/soft`, `${seed}//hard`]) {
      const message = new TextEncoder().encode('message');
      const signature = signWith(identityFromSecret(secret), message);
      assert.ok(keyring.createFromUri(secret).verify(message, signature, fromHex(theirs(secret))));
      assert.ok(verify(fromHex(theirs(secret)), message, signature));
    }
  });

  it('is refused where the text is none of these, and the text is not repeated', () => {
    const words = DEV_PHRASE.split(' ');
    const texts = [
      '',
      'bottom drive obey',
      `${words.slice(0, 11).join(' ')} zoo`,
      `${words.slice(0, 11).join(' ')} notaword`,
      seed.slice(0, -2),
      `${seed}00`,
      seed.slice(2),
      `${seed}${seed.slice(2)}//hard`,
      `0x${'00'.repeat(64)}`,
      `0x${'ff'.repeat(64)}`,
      '5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY',
      '{"encoded":"opensesame"}',
      '/',
      '///only-a-password',
    ];
    for (const text of texts) {
      const error = thrown(() => identityFromSecret(text), 'bad-secret-key');
      const said = `${error.message} ${error.remedy} ${JSON.stringify(error.details)} ${error.stack} ${String(error.cause)}`;
      const parts = text.split(/\W+/).filter((part) => part.length > 5);
      for (const part of parts) assert.ok(!said.includes(part), `it repeats ${part}`);
    }
  });
});
