import type { Account, Call, Chain, Inclusion } from '../chain/index.ts';
import {
  contractOfTopic,
  decodeEncryptedData,
  encodeCommandPayload,
  messageId,
  refusePhalaTopic,
  toBytes,
  type BytesLike,
  type Hex,
} from '../codec/index.ts';
import { isRelayError, RelayError } from '../errors/index.ts';
import type { Vault } from '../vault/index.ts';

export interface PhalaCommand {
  /** As `contractTopic` makes it, or any that is not Phala's own. */
  readonly topic: Uint8Array;
  /** What the contract decodes: for ink!, SCALE of InkCommand. */
  readonly content: BytesLike;
  /** EcdhKey to seal to, 32 bytes. Default: the contract's key on chain. */
  readonly recipientKey?: Uint8Array;
  /** worker (default): the vault's identity posts, the account only pays. account: the account posts. */
  readonly as?: 'worker' | 'account';
}

export interface PostPhalaOptions {
  readonly chain: Chain;
  readonly vault: Vault;
  readonly account: Account;
  readonly waitFor?: 'inBlock' | 'finalized';
  readonly signal?: AbortSignal;
}

/** Another poster of the same worker may come first so often. */
const mostTries = 5;

/**
 * Seals a command as pRuntime and @phala/sdk do (protocol.md §6) and posts it. Not queued: it resolves when a block has it,
 * and what a crash cuts off may or may not be posted. Throws phala-topic, bad-topic, no-contract-key, what Vault.sealPhala
 * throws and what Chain.submit throws.
 */
export async function postPhalaCommand(
  options: PostPhalaOptions,
  { topic, content, recipientKey, as = 'worker' }: PhalaCommand,
): Promise<Inclusion & { readonly messageId: Hex }> {
  const { chain, vault, account, signal } = options;
  refusePhalaTopic(topic);
  const key = recipientKey ?? (await contractKeyOf(chain, topic, signal));
  const sealed = await vault.sealPhala({ recipientKey: key, content: toBytes(content, 'The content') });
  const payload = encodeCommandPayload({ kind: 'encrypted', ...decodeEncryptedData(sealed) });
  const submit = async (): Promise<Inclusion> => {
    const call = as === 'account' ? pushCall(topic, payload) : await workerCall(options, topic, payload);
    const { waitFor = 'inBlock' } = options;
    return chain.submit([call], account, signal === undefined ? { waitFor } : { waitFor, signal });
  };
  for (let tries = 1; ; tries++)
    try {
      const inclusion = await submit();
      return { ...inclusion, messageId: messageId({ genesisHash: chain.genesisHash, envelope: payload }) };
    } catch (error) {
      if (tries >= mostTries || !isBadSequence(error)) throw error;
    }
}

async function contractKeyOf(chain: Chain, topic: Uint8Array, signal: AbortSignal | undefined): Promise<Uint8Array> {
  const contract = contractOfTopic(topic);
  const { hash } = await chain.bestHead(signal);
  const key = contract === undefined ? undefined : await chain.at(hash).contractKey(contract, signal);
  if (key !== undefined) return key;
  throw new RelayError('no-contract-key', { details: { contract: contract ?? 'a topic of no contract' } });
}

function pushCall(destination: Uint8Array, payload: Uint8Array): Call {
  return { kind: 'push-message', destination, payload };
}

/** Signed anew at each try: one that was refused for its sequence can not come in later with it. */
async function workerCall(
  { chain, vault, signal }: PostPhalaOptions,
  destination: Uint8Array,
  payload: Uint8Array,
): Promise<Call> {
  const { hash } = await chain.bestHead(signal);
  const sequence = await chain.at(hash).ingressSequence(vault.identity, signal);
  const signature = await vault.sign({ type: 'worker-message', destination, payload, sequence });
  const { identity: worker } = vault;
  return { kind: 'sync-offchain-message', worker, destination, payload, sequence, signature };
}

function isBadSequence(error: unknown): boolean {
  return isRelayError(error, 'dispatch-failed') && error.details?.['error'] === 'BadSequence';
}
