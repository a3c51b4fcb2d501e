import assert from 'node:assert/strict';
import { chmod, link, mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { inspect } from 'node:util';
import { toHex } from '../../src/codec/index.ts';
import { keyPairFromSeed, ready } from '../../src/crypto/index.ts';
import { createVault, openVault } from '../../src/vault/index.ts';
import { rejected } from '../support/expect-error.ts';
import { useTempDir } from '../support/temp-dir.ts';
import { epochsOf, newVault, passphrase, reopen } from '../support/vaults.ts';

describe('vault: a file', () => {
  const folder = useTempDir();
  before(ready);

  it('is made with random keys: an identity, and an EcdhKey of epoch 0 that is current', async () => {
    await using one = await newVault(folder('one'), { now: () => 1234 });
    await using two = await newVault(folder('two'));
    assert.notEqual(one.identity, two.identity);
    assert.match(one.identity, /^0x[0-9a-f]{64}$/);
    const keys = await one.ecdhKeys();
    assert.deepEqual(
      keys.map(({ epoch, state, createdAt }) => ({ epoch, state, createdAt })),
      [{ epoch: 0, state: 'current', createdAt: 1234 }],
    );
    assert.notDeepEqual(keys, await two.ecdhKeys());
    assert.notEqual(toHex(keys[0]!.publicKey), one.identity);
  });

  it('opens again with the same keys', async () => {
    await using made = await newVault(folder('vault'), { now: () => 1234 });
    await using opened = await reopen(folder('vault'));
    assert.equal(opened.identity, made.identity);
    assert.deepEqual(await opened.ecdhKeys(), await made.ecdhKeys());
  });

  it('takes over an identity that exists elsewhere, and leaves what it was given alone', async () => {
    const identity = keyPairFromSeed(`0x${'07'.repeat(32)}`);
    const before = toHex(identity.secretKey);
    const made = await newVault(folder('vault'), { identity });
    await made.close();
    assert.equal(toHex(identity.secretKey), before);
    await using opened = await reopen(folder('vault'));
    assert.equal(opened.identity, toHex(identity.publicKey));
  });

  it('is readable by its owner only, as is its backup, and nothing else stands beside it', async () => {
    await using vault = await newVault(folder('vault'));
    assert.deepEqual(await readdir(folder()), ['vault']);
    await vault.rotate();
    assert.deepEqual(await readdir(folder()), ['vault', 'vault.bak']);
    for (const name of await readdir(folder())) assert.equal((await stat(folder(name))).mode & 0o777, 0o600);
  });

  it('stays readable by its owner only where a leftover of a crash was not', async () => {
    await using vault = await newVault(folder('vault'));
    for (const name of ['vault.new', `vault.${process.pid}.new`, 'vault.bak.new']) {
      await writeFile(folder(name), 'leftover');
      await chmod(folder(name), 0o666);
    }
    await vault.rotate();
    for (const name of ['vault', 'vault.bak']) assert.equal((await stat(folder(name))).mode & 0o777, 0o600);
    await using _opened = await reopen(folder('vault'));
  });

  it('keeps the version before the last change as its backup', async () => {
    await using vault = await newVault(folder('vault'));
    const before = await readFile(folder('vault'));
    await vault.rotate();
    assert.deepEqual(await readFile(folder('vault.bak')), before);
    const between = await readFile(folder('vault'));
    await vault.activate(1);
    assert.deepEqual(await readFile(folder('vault.bak')), between);
    await using backup = await reopen(folder('vault.bak'));
    assert.equal(await epochsOf(backup), '0:current 1:pending');
  });

  it('is refused where others can read or write it, until that is mended', async () => {
    const vault = await newVault(folder('vault'));
    await vault.close();
    for (const mode of [0o640, 0o604, 0o620, 0o602, 0o644, 0o777]) {
      await chmod(folder('vault'), mode);
      const error = await rejected(reopen(folder('vault')), 'vault-exposed');
      assert.deepEqual(error.details, { path: folder('vault'), mode: mode.toString(8) });
    }
    await chmod(folder('vault'), 0o400);
    await using _opened = await reopen(folder('vault'));
  });

  it('is never overwritten by a new one', async () => {
    await using made = await newVault(folder('vault'));
    const before = await readFile(folder('vault'));
    await rejected(newVault(folder('vault')), 'vault-exists');
    assert.deepEqual(await readFile(folder('vault')), before);
    await writeFile(folder('other'), 'anything');
    await rejected(newVault(folder('other')), 'vault-exists');
    assert.equal(await readFile(folder('other'), 'utf8'), 'anything');
    assert.deepEqual((await readdir(folder())).sort(), ['other', 'vault']);
    await using opened = await reopen(folder('vault'));
    assert.equal(opened.identity, made.identity);
  });

  it('is made once where several make it at the same moment, and is that one', async () => {
    for (let round = 0; round < 5; round++) {
      const path = folder(`vault ${round}`);
      const results = await Promise.allSettled(Array.from({ length: 6 }, () => newVault(path)));
      const made = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
      assert.equal(made.length, 1);
      for (const result of results)
        if (result.status === 'rejected') await rejected(Promise.reject(result.reason as Error), 'vault-exists');
      await using opened = await reopen(path);
      assert.equal(opened.identity, made[0]?.identity);
    }
  });

  it('is not written in place: what a crash left linked to it is no danger', async () => {
    await using vault = await newVault(folder('vault'));
    for (const name of [`vault.${process.pid}.new`, 'vault.new', 'vault.bak.new'])
      await link(folder('vault'), folder(name));
    const before = await readFile(folder('vault'));
    await vault.rotate();
    assert.deepEqual(await readFile(folder('vault.bak')), before);
  });

  it('is missed by name where there is none', async () => {
    const error = await rejected(reopen(folder('vault')), 'vault-missing');
    assert.equal(error.details?.['path'], folder('vault'));
    await rejected(reopen(folder('no folder', 'vault')), 'vault-missing');
  });

  it('can not be made where its folder is missing or is none: that is no missing vault', async () => {
    await rejected(newVault(folder('no folder', 'vault')), 'vault-io');
    await writeFile(folder('file'), '');
    await rejected(newVault(folder('file', 'vault')), 'vault-io');
  });

  it('is refused where it is a folder or a device', async () => {
    await mkdir(folder('vault'), { mode: 0o700 });
    await rejected(reopen(folder('vault')), 'vault-io');
    const { details } = await rejected(newVault(folder('vault')), 'vault-io');
    assert.equal(details?.['reason'], 'it is not a regular file');
    if (process.platform === 'linux') await rejected(reopen('/dev/null'), 'vault-io');
  });

  it('is the file that a link leads to: a change changes it there', async () => {
    await mkdir(folder('safe'));
    const made = await newVault(folder('safe', 'vault'));
    await made.close();
    await symlink(folder('safe', 'vault'), folder('link'));
    await using throughLink = await reopen(folder('link'));
    await using direct = await reopen(folder('safe', 'vault'));
    await Promise.all([throughLink.rotate(), direct.rotate()]);
    await throughLink.activate(1);
    assert.equal(await epochsOf(direct), '0:retired 1:current');
    assert.deepEqual(await readdir(folder('safe')), ['vault', 'vault.bak']);
    assert.deepEqual(await readdir(folder()), ['link', 'safe']);
  });

  it('needs a passphrase that is not empty, and the right one', async () => {
    await rejected(newVault(folder('vault'), { passphrase: '' }), 'weak-passphrase');
    assert.deepEqual(await readdir(folder()), []);
    await using _made = await newVault(folder('vault'));
    await rejected(openVault({ path: folder('vault'), passphrase: '' }), 'weak-passphrase');
    await rejected(openVault({ path: folder('vault') }), 'weak-passphrase');
    const before = await readFile(folder('vault'));
    for (const wrong of ['Correct horse', 'correct horse ', 'correct'])
      await rejected(openVault({ path: folder('vault'), passphrase: wrong }), 'wrong-passphrase');
    assert.deepEqual(await readFile(folder('vault')), before);
  });

  it('takes the same passphrase however its letters are composed', async () => {
    await using _made = await newVault(folder('vault'), { passphrase: 'gr\u00fc\u00df \ufb01' });
    await using _opened = await openVault({ path: folder('vault'), passphrase: 'gru\u0308\u00df fi' });
  });

  it('can be sealed by something else than a passphrase, and says so to who brings one', async () => {
    const sealer = {
      kind: 7,
      newParameters: () => Uint8Array.of(1, 2, 3),
      deriveKey: async (parameters: Uint8Array) => new Uint8Array(32).fill(parameters[2] ?? 0),
    };
    await using made = await createVault({ path: folder('vault'), sealer });
    await using opened = await openVault({ path: folder('vault'), sealer });
    assert.equal(opened.identity, made.identity);
    await rejected(reopen(folder('vault')), 'wrong-sealer');
    const other = { ...sealer, deriveKey: async () => new Uint8Array(32) };
    await rejected(openVault({ path: folder('vault'), sealer: other }), 'wrong-seal-key');
  });

  it('shows no secret to who inspects it', async () => {
    await using vault = await newVault(folder('vault'));
    const shown = `${inspect(vault, { depth: 9, showHidden: true })} ${JSON.stringify(vault)}`;
    assert.ok(shown.includes(vault.identity));
    assert.doesNotMatch(shown, /secret|Uint8Array|key:/i);
    assert.ok(!shown.includes(passphrase));
  });
});
