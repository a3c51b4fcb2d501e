import { encodeSignedEnvelope, type Hex } from '../codec/index.ts';
import type { Vault } from '../vault/vault.ts';

/** SCALE of the SignedEnvelope that carries an envelope of the vault's entity off chain (protocol.md §8). */
export async function signMessage(
  vault: Pick<Vault, 'identity' | 'sign'>,
  genesisHash: Hex,
  envelope: Uint8Array,
): Promise<Uint8Array> {
  const signature = await vault.sign({ type: 'envelope', genesisHash, envelope });
  return encodeSignedEnvelope({ identity: vault.identity, signature, envelope });
}
