import assert from 'node:assert/strict';
import { argon2id } from 'hash-wasm';
import { Reader, toHex } from '../../src/codec/index.ts';
import { passphraseSealer } from '../../src/vault/passphrase-sealer.ts';
import { thrown } from '../support/expect-error.ts';
import { cheap } from '../support/vaults.ts';

function read(parameters: Uint8Array): { memory: number; passes: number; lanes: number; salt: Uint8Array } {
  const reader = new Reader(parameters, 'parameters');
  const cost = { memory: reader.u32(), passes: reader.u32(), lanes: reader.u32() };
  const salt = reader.fixed(16);
  reader.end();
  return { ...cost, salt };
}

describe('vault: a passphrase', () => {
  it('costs 64 MiB, 3 passes and 4 lanes of Argon2id unless told otherwise', () => {
    const { memory, passes, lanes } = read(passphraseSealer('x').newParameters());
    assert.deepEqual({ memory, passes, lanes }, { memory: 65536, passes: 3, lanes: 4 });
    const { memory: own } = read(passphraseSealer('x', { cost: { memory: 1024 } }).newParameters());
    assert.equal(own, 1024);
  });

  it('has a salt of 16 fresh random bytes for every file', () => {
    const sealer = passphraseSealer('x');
    assert.notDeepEqual(read(sealer.newParameters()).salt, read(sealer.newParameters()).salt);
    const injected = passphraseSealer('x', { randomBytes: (length) => new Uint8Array(length).fill(9) });
    assert.deepEqual(read(injected.newParameters()).salt, new Uint8Array(16).fill(9));
  });

  it('gives the key of Argon2id with the parameters of the file, and no others', async () => {
    const sealer = passphraseSealer('passphrase', { cost: cheap });
    const parameters = sealer.newParameters();
    const expected = await argon2id({
      password: 'passphrase',
      salt: read(parameters).salt,
      memorySize: 64,
      iterations: 1,
      parallelism: 1,
      hashLength: 32,
      outputType: 'hex',
    });
    assert.equal(toHex(await sealer.deriveKey(parameters)), `0x${expected}`);
    assert.equal(toHex(await passphraseSealer('passphrase').deriveKey(parameters)), `0x${expected}`);
    assert.notEqual(toHex(await passphraseSealer('passphrasf').deriveKey(parameters)), `0x${expected}`);
  });

  it('that is empty is refused', () => {
    thrown(() => passphraseSealer(''), 'weak-passphrase');
  });

  it('is not given a cost that no file of it could be opened with', () => {
    const costs = [
      { memory: 7 },
      { memory: 2 ** 21 },
      { memory: 64, lanes: 9 },
      { passes: 0 },
      { passes: 17 },
      { lanes: 17 },
    ];
    for (const cost of [...costs, { memory: Number.NaN }, { passes: 1.5 }])
      thrown(() => passphraseSealer('x', { cost }).newParameters(), 'bad-value');
  });
});
