import { loadWebCipher } from '../crypto/web-cipher.ts';
import { MemoryVault, type MemoryVaultOptions } from './memory-vault.ts';
import type { Vault } from './vault.ts';

/**
 * A vault in the page's memory, gone with the page. Messages are sealed and opened by WebCrypto, with keys that the page can
 * use and not read back; the keys that they are agreed from stay in memory. Throws bad-secret-key, webcrypto-missing.
 */
export function createMemoryVault(options: MemoryVaultOptions = {}): Vault {
  return new MemoryVault(options, loadWebCipher());
}
