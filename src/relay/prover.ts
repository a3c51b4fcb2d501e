import type { Hex } from '../codec/index.ts';

/** What a recipient signs; Vault.sign takes it. */
export interface LoginRequest {
  readonly type: 'login';
  readonly genesisHash: Hex;
  readonly origin: string;
  readonly serverNonce: Uint8Array;
  readonly expiresAt: bigint;
}

/** Who proves to be somebody (protocol.md §11). */
export interface Prover {
  readonly identity: Hex;
  /** 64-byte signature by `identity`. */
  readonly sign: (login: LoginRequest) => Promise<Uint8Array>;
}
