import { ready } from '../crypto/index.ts';
import { wipe } from './contents.ts';
import { encode, newUnlocked, sealerOf, unlock, type SealerOptions } from './sealed-contents.ts';
import { readVaultFile, replaceVaultFileAndBackup, vaultPath, withVaultLock, writeNewVaultFile } from './vault-file.ts';

export interface ResealOptions extends SealerOptions {
  readonly path: string;
  /** What the vault is to be opened with from now on: another passphrase, or another sealer. */
  readonly next: SealerOptions;
}

/**
 * Seals a vault under another passphrase or sealer, its backup too: the old one opens neither. Copies elsewhere it still
 * does. Who has the vault open goes on, and meets vault-resealed with its next change. Throws what openVault throws,
 * weak-passphrase, locked; the file is then as it was.
 */
export async function resealVault({ next, ...options }: ResealOptions): Promise<void> {
  await ready();
  const path = await vaultPath(options.path);
  const sealer = sealerOf(options);
  // The slow work first: others wait for the lock.
  const resealed = await newUnlocked(sealerOf(next));
  try {
    await withVaultLock(path, async () => {
      const { unlocked, contents } = await unlock(await readVaultFile(path), sealer, path);
      unlocked.key.fill(0);
      const file = encode(resealed, contents);
      wipe(contents);
      await replaceVaultFileAndBackup(path, file);
    });
  } finally {
    resealed.key.fill(0);
  }
}

export interface BackupOptions extends SealerOptions {
  readonly path: string;
  /** Where the copy goes; nothing must be there. */
  readonly to: string;
}

/**
 * Copies a vault file, sealed as it is, once it is seen to open. Restoring is copying it back, followed by a rotation:
 * docs/vault.md. Throws what openVault throws, and vault-exists.
 */
export async function backupVault({ path: from, to, ...options }: BackupOptions): Promise<void> {
  await ready();
  const path = await vaultPath(from);
  const file = await readVaultFile(path);
  const { unlocked, contents } = await unlock(file, sealerOf(options), path);
  unlocked.key.fill(0);
  wipe(contents);
  await writeNewVaultFile(await vaultPath(to), file);
}
