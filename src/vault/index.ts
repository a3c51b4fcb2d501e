export { createVault, openVault } from './file-vault.ts';
export type { CreateVaultOptions, VaultFileOptions } from './file-vault.ts';
export { identityFromSecret } from './import-identity.ts';
export type { Argon2Cost } from './passphrase-sealer.ts';
export type { Sealer } from './sealer.ts';
export type { EcdhPublic, Opened, SealRequest, SignContent, Vault } from './vault.ts';
