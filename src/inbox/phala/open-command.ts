import { decodeCommandPayload } from '../../codec/index.ts';
import type { Vault } from '../../vault/index.ts';
import type { PhalaDelivery } from './phala-listener.ts';

/** What a payload holds. Throws what says that it can not be read: it does not decode, or opens with no key of the vault. */
export async function openCommand(
  vault: Pick<Vault, 'openPhala'>,
  payload: Uint8Array,
): Promise<Pick<PhalaDelivery, 'encrypted' | 'content' | 'senderKey'>> {
  const command = decodeCommandPayload(payload);
  if (command.kind === 'plain') return { encrypted: false, content: command.content };
  // EncryptedData is all that follows its variant.
  const { content, senderKey } = await vault.openPhala(payload.subarray(1));
  return { encrypted: true, content, senderKey };
}
