import assert from 'node:assert/strict';
import { chmod, readFile, stat, writeFile } from 'node:fs/promises';
import { ready } from '../../src/crypto/index.ts';
import { backupVault, openVault, resealVault } from '../../src/vault/index.ts';
import { startChild } from '../support/child.ts';
import { rejected } from '../support/expect-error.ts';
import { useTempDir } from '../support/temp-dir.ts';
import { cheap, newVault, openText, passphrase, publicKeys, reopen, sealTo } from '../support/vaults.ts';

const next = { passphrase: 'another', cost: cheap } as const;

describe('vault: another passphrase', () => {
  const folder = useTempDir();
  before(ready);

  it('opens it from then on, with the same keys; the old one opens neither the file nor its backup', async () => {
    await using vault = await newVault(folder('vault'));
    await vault.rotate();
    await resealVault({ path: folder('vault'), passphrase, next });
    for (const name of ['vault', 'vault.bak']) {
      await rejected(reopen(folder(name)), 'wrong-passphrase');
      await using opened = await openVault({ path: folder(name), passphrase: next.passphrase });
      assert.deepEqual(
        await publicKeys(opened),
        await publicKeys(await openVault({ path: folder('vault'), passphrase: 'another' })),
      );
      assert.equal((await stat(folder(name))).mode & 0o777, 0o600);
    }
  });

  it('needs the old one, and leaves the file alone without', async () => {
    await (await newVault(folder('vault'))).close();
    const before = await readFile(folder('vault'));
    await rejected(resealVault({ path: folder('vault'), passphrase: 'wrong', next }), 'wrong-passphrase');
    await rejected(resealVault({ path: folder('vault'), passphrase, next: { passphrase: '' } }), 'weak-passphrase');
    await rejected(resealVault({ path: folder('none'), passphrase, next }), 'vault-missing');
    await writeFile(folder('foreign'), 'x', { mode: 0o600 });
    await rejected(resealVault({ path: folder('foreign'), passphrase, next }), 'vault-foreign');
    assert.deepEqual(await readFile(folder('vault')), before);
  });

  it('is told to who has the vault open: what it holds still opens, a change is refused', async () => {
    await using vault = await newVault(folder('vault'));
    await using peer = await newVault(folder('peer'));
    const envelope = await sealTo(peer, vault, 'x');
    await resealVault({ path: folder('vault'), passphrase, next });
    assert.equal(await openText(vault, envelope), 'x');
    for (const change of [() => vault.rotate(), () => vault.activate(0), () => vault.erase({ retiredBefore: 1 })])
      await rejected(change(), 'vault-resealed');
    await rejected(sealTo(vault, peer, 'y'), 'vault-resealed');
  });

  it('may be a sealer of another kind', async () => {
    const sealer = {
      kind: 200,
      newParameters: () => new Uint8Array(),
      deriveKey: async () => new Uint8Array(32).fill(5),
    };
    const made = await newVault(folder('vault'));
    await resealVault({ path: folder('vault'), passphrase, next: { sealer } });
    await using opened = await openVault({ path: folder('vault'), sealer });
    assert.equal(opened.identity, made.identity);
  });

  it('may be killed at any moment: one of the two opens, whichever, with all keys', async () => {
    const vault = await newVault(folder('vault'));
    const keys = await publicKeys(vault);
    for (const lines of [1, 3, 6]) {
      const child = startChild(new URL('vault-child.ts', import.meta.url), 'reseal', folder('vault'), 'forever');
      await child.line();
      child.goOn();
      for (let n = 0; n < lines; n++) await child.line();
      await child.kill();
      let opened = 0;
      for (const word of [passphrase, next.passphrase]) {
        const found = await openVault({ path: folder('vault'), passphrase: word }).catch(() => undefined);
        if (found === undefined) continue;
        opened++;
        assert.deepEqual(await publicKeys(found), keys);
        if (word !== passphrase)
          await resealVault({ path: folder('vault'), passphrase: word, next: { passphrase, cost: cheap } });
      }
      assert.equal(opened, 1);
    }
  });
});

describe('vault: a backup', () => {
  const folder = useTempDir();
  before(ready);

  it('is the sealed file, copied once it is seen to open', async () => {
    await using vault = await newVault(folder('vault'));
    await backupVault({ path: folder('vault'), passphrase, to: folder('copy') });
    assert.deepEqual(await readFile(folder('copy')), await readFile(folder('vault')));
    assert.equal((await stat(folder('copy'))).mode & 0o777, 0o600);
    await using opened = await reopen(folder('copy'));
    assert.equal(opened.identity, vault.identity);
  });

  it('overwrites nothing, and is not made of what does not open', async () => {
    await (await newVault(folder('vault'))).close();
    await writeFile(folder('there'), 'mine');
    await rejected(backupVault({ path: folder('vault'), passphrase, to: folder('there') }), 'vault-exists');
    assert.equal(await readFile(folder('there'), 'utf8'), 'mine');
    await rejected(backupVault({ path: folder('vault'), passphrase: 'wrong', to: folder('copy') }), 'wrong-passphrase');
    await rejected(backupVault({ path: folder('vault'), passphrase, to: folder('no folder', 'copy') }), 'vault-io');
    await chmod(folder('vault'), 0o644);
    await rejected(backupVault({ path: folder('vault'), passphrase, to: folder('copy') }), 'vault-exposed');
    await assert.rejects(stat(folder('copy')));
  });
});
