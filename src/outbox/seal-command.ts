import type { Chain } from '../chain/index.ts';
import {
  contractOfTopic,
  decodeEncryptedData,
  encodeCommandPayload,
  refuseBadTopic,
  refusePhalaTopic,
  toBytes,
} from '../codec/index.ts';
import { RelayError } from '../errors/index.ts';
import type { Vault } from '../vault/index.ts';
import type { PhalaCommand } from './outbox.ts';

/**
 * Seals a command as pRuntime and @phala/sdk do (protocol.md §6): SCALE of `CommandPayload::Encrypted`. It has no nonce that would
 * tell two of it apart, so it is sealed once, when it is queued. Throws phala-topic, bad-topic, no-contract-key, what
 * Vault.sealPhala throws and what reading the chain throws.
 */
export async function sealCommand(
  { chain, vault }: { readonly chain: Chain; readonly vault: Vault },
  { topic, content, recipientKey }: PhalaCommand,
  signal: AbortSignal,
): Promise<Uint8Array> {
  refusePhalaTopic(topic);
  refuseBadTopic(topic);
  const key = recipientKey ?? (await contractKeyOf(chain, topic, signal));
  const sealed = await vault.sealPhala({ recipientKey: key, content: toBytes(content, 'The content') });
  return encodeCommandPayload({ kind: 'encrypted', ...decodeEncryptedData(sealed) });
}

async function contractKeyOf(chain: Chain, topic: Uint8Array, signal: AbortSignal): Promise<Uint8Array> {
  const contract = contractOfTopic(topic);
  const { hash } = await chain.bestHead(signal);
  const key = contract === undefined ? undefined : await chain.at(hash).contractKey(contract, signal);
  if (key !== undefined) return key;
  throw new RelayError('no-contract-key', { details: { contract: contract ?? 'a topic of no contract' } });
}
