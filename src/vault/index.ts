export { agentSocket } from './agent/agent-path.ts';
export { connectAgent } from './agent/connect-agent.ts';
export type { ConnectAgentOptions } from './agent/connect-agent.ts';
export type { AgentPolicy } from './agent/policy.ts';
export { serveVault } from './agent/serve-vault.ts';
export type { ServeVaultOptions, VaultAgent } from './agent/serve-vault.ts';
export { harden } from './agent/system-calls.ts';
export type { Protections } from './agent/system-calls.ts';
export { createVault, openVault } from './file-vault.ts';
export type { CreateVaultOptions, VaultFileOptions } from './file-vault.ts';
export { identityFromSecret } from './import-identity.ts';
export { dstackSealer } from './dstack-sealer.ts';
export type { DstackSealerOptions, GuestAgent } from './dstack-sealer.ts';
export { identityFromJson, isKeyFile } from './import-json.ts';
export { backupVault, resealVault } from './reseal.ts';
export { createMemoryVault } from './memory-vault.ts';
export type { MemoryVaultOptions } from './memory-vault.ts';
export type { BackupOptions, ResealOptions } from './reseal.ts';
export type { SealerOptions } from './sealed-contents.ts';
export type { Argon2Cost } from './passphrase-sealer.ts';
export type { Sealer } from './sealer.ts';
export type {
  EcdhPublic,
  FreshKey,
  OpenAllRequest,
  Opened,
  PhalaOpened,
  KeepRequest,
  KeptSealRequest,
  PhalaSealRequest,
  RotateRequest,
  SealRequest,
  SignContent,
  Vault,
} from './vault.ts';
