import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { blake2b } from '@noble/hashes/blake2.js';
import { concatBytes, Writer } from '../../src/codec/index.ts';
import { ready } from '../../src/crypto/index.ts';
import { decodeContainer, openContainer, sealContainer } from '../../src/vault/container.ts';
import { openVault } from '../../src/vault/index.ts';
import { rejected, thrown } from '../support/expect-error.ts';
import { flipped } from '../support/hostile-keys.ts';
import { useTempDir } from '../support/temp-dir.ts';
import { newVault, reopen } from '../support/vaults.ts';

const magic = new TextEncoder().encode('khala-relay vault\n');
const salt = new Uint8Array(16).fill(1);

/** A file with any version and parameters, and a checksum that fits. */
function forged({ version = 1, kind = 0, parameters = argon2(64, 1, 1), sealed = new Uint8Array(100) }): Uint8Array {
  const body = new Writer().raw(magic).u8(version).u8(kind).bytes(parameters).raw(new Uint8Array(24)).bytes(sealed);
  return withChecksum(body.finish());
}

function argon2(memory: number, passes: number, lanes: number): Uint8Array {
  return new Writer().u32(memory).u32(passes).u32(lanes).raw(salt).finish();
}

function withChecksum(body: Uint8Array): Uint8Array {
  return concatBytes(body, blake2b(body, { dkLen: 32 }));
}

describe('vault: a damaged or foreign file', () => {
  const folder = useTempDir();
  let genuine: Uint8Array;
  before(ready);
  beforeEach(async () => {
    await (await newVault(folder('vault'))).close();
    genuine = new Uint8Array(await readFile(folder('vault')));
  });

  /** Opens `bytes` as a vault: it must fail with one of the codes and leave the file as it is. */
  async function refuses(
    bytes: Uint8Array,
    ...codes: Parameters<typeof rejected> extends [unknown, ...infer C] ? C : never
  ) {
    await writeFile(folder('vault'), bytes);
    const error = await rejected(reopen(folder('vault')), ...codes);
    assert.equal(error.details?.['path'], folder('vault'));
    assert.deepEqual(new Uint8Array(await readFile(folder('vault'))), bytes);
    return error;
  }

  it('cut at any byte is truncated, and says how many bytes are there', async () => {
    for (let length = 0; length < genuine.length; length++) {
      const { details } = await refuses(genuine.slice(0, length), 'vault-truncated');
      assert.equal(details?.['actual'], length);
      const expected = Number(details['expected']);
      assert.ok(expected > length && expected <= genuine.length);
    }
  });

  it('with bytes after its end is corrupt', async () => {
    await refuses(concatBytes(genuine, Uint8Array.of(0)), 'vault-corrupt');
    await refuses(concatBytes(genuine, genuine), 'vault-corrupt');
  });

  it('with any single bit changed is refused for what it is, before the passphrase is tried', async () => {
    // The form is checked on all bits in memory, and on some through the file system.
    for (let bit = 0; bit < genuine.length * 8; bit++) {
      const changed = flipped(genuine, bit);
      const code = thrown(
        () => decodeContainer(changed, 'x'),
        ...(['vault-foreign', 'vault-too-new', 'vault-corrupt', 'vault-truncated'] as const),
      ).code;
      const byte = bit >> 3;
      if (byte < magic.length) assert.equal(code, 'vault-foreign');
      else if (byte === magic.length) assert.equal(code, (changed[byte] ?? 0) > 1 ? 'vault-too-new' : 'vault-corrupt');
      else assert.ok(code === 'vault-corrupt' || code === 'vault-truncated');
      if (bit % 29 === 0) await refuses(changed, code);
    }
  });

  it('that was never a vault is foreign', async () => {
    for (const text of ['x', 'khala-relay vaulu\n', '{"crypto":{}}', '-----BEGIN PRIVATE KEY-----\n', '\0'.repeat(400)])
      await refuses(new TextEncoder().encode(text), 'vault-foreign');
    await refuses(new Uint8Array((1 << 20) + 1), 'vault-foreign');
    await refuses(concatBytes(genuine, new Uint8Array(1 << 20)), 'vault-foreign', 'vault-corrupt');
  });

  it('of a newer version says which', async () => {
    for (const version of [2, 255]) {
      const { details, remedy } = await refuses(forged({ version }), 'vault-too-new');
      assert.equal(details?.['version'], version);
      assert.match(remedy, /Update/);
    }
    await refuses(forged({ version: 0 }), 'vault-corrupt');
  });

  it('of another kind of sealer is refused', async () => {
    const { message } = await refuses(forged({ kind: 1 }), 'wrong-sealer');
    assert.match(message, /by a TEE's guest agent, not by a passphrase/);
  });

  it('that asks for more work than a genuine one is refused before the work', async () => {
    // Any of these would take minutes, gigabytes or an exception of the library.
    const hostile = [
      argon2(1024 * 1024 + 1, 1, 1),
      argon2(0xffffffff, 1, 1),
      argon2(64, 17, 1),
      argon2(64, 0xffffffff, 1),
      argon2(64, 1, 17),
      argon2(0, 1, 1),
      argon2(64, 0, 1),
      argon2(64, 1, 0),
      argon2(7, 1, 1),
      argon2(64, 1, 16),
    ];
    for (const parameters of hostile) {
      const error = await refuses(forged({ parameters }), 'vault-hostile-parameters');
      assert.match(error.message, /is not within 1 to|8 times/);
    }
  });

  it('with parameters of another form is corrupt', async () => {
    for (const parameters of [new Uint8Array(), argon2(64, 1, 1).slice(1), concatBytes(argon2(64, 1, 1), salt)])
      await refuses(forged({ parameters }), 'vault-corrupt');
  });

  it('with a checksum that fits, but sealed by nobody who has the passphrase, is a wrong passphrase', async () => {
    await refuses(forged({}), 'wrong-passphrase');
    await refuses(forged({ sealed: new Uint8Array(3) }), 'wrong-passphrase');
    // The cost is authenticated: it can't be lowered for the next write.
    const cheaper = withChecksum(concatBytes(genuine.slice(0, 21), Uint8Array.of(63), genuine.slice(22, -32)));
    await refuses(cheaper, 'wrong-passphrase');
  });

  it('with contents that were sealed broken is corrupt, also for who has the key', async () => {
    const key = new Uint8Array(32).fill(1);
    const sealer = { kind: 7, newParameters: () => new Uint8Array(), deriveKey: async () => key.slice() };
    for (const contents of [new Uint8Array(), new Uint8Array(64), new Uint8Array(66).fill(1), new Uint8Array(300)]) {
      const header = { sealerKind: 7, parameters: new Uint8Array() };
      await writeFile(folder('vault'), sealContainer(key, header, contents, new Uint8Array(24)));
      await rejected(openVault({ path: folder('vault'), sealer }), 'vault-corrupt');
    }
  });
});

describe('vault: the container', () => {
  const key = new Uint8Array(32).fill(1);
  const nonce = new Uint8Array(24).fill(2);
  const header = { sealerKind: 3, parameters: Uint8Array.of(4, 5) };

  it('has the layout of docs/vault.md', () => {
    const file = sealContainer(key, header, new Uint8Array(10), nonce);
    const start = new Writer().raw(magic).u8(1).u8(3).bytes(Uint8Array.of(4, 5)).raw(nonce).compactLength(26).finish();
    assert.deepEqual(file.slice(0, start.length), start);
    assert.equal(file.length, start.length + 26 + 32);
    assert.deepEqual(file, withChecksum(file.slice(0, -32)));
    const opened = openContainer(key, decodeContainer(file, 'x'), 'x');
    assert.deepEqual(opened, new Uint8Array(10));
  });

  it('does not open with another key, kind or parameters', () => {
    const container = decodeContainer(sealContainer(key, header, new Uint8Array(10), nonce), 'x');
    thrown(() => openContainer(flipped(key, 3), container, 'x'), 'wrong-seal-key');
    thrown(() => openContainer(key, { ...container, sealerKind: 4 }, 'x'), 'wrong-seal-key');
    thrown(() => openContainer(key, { ...container, sealerKind: 0 }, 'x'), 'wrong-passphrase');
    thrown(() => openContainer(key, { ...container, parameters: Uint8Array.of(4) }, 'x'), 'wrong-seal-key');
  });

  it('is not written where it would be too large to be opened again', () => {
    thrown(() => sealContainer(key, header, new Uint8Array(1 << 20), nonce), 'bad-value');
    const greatest = sealContainer(key, header, new Uint8Array((1 << 20) - 120), nonce);
    assert.equal(openContainer(key, decodeContainer(greatest, 'x'), 'x').length, (1 << 20) - 120);
  });
});
