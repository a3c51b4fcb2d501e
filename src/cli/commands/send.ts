import { Option, type Command } from 'commander';
import { lastValueFrom, Subject } from 'rxjs';
import type { Account, Chain } from '../../chain/index.ts';
import { newerKey, sealMessage, type KeyDirectory, type SealedMessage } from '../../channel/index.ts';
import { encodeSignedEnvelope, type BodyInput, type Hex } from '../../codec/index.ts';
import { isRelayError, RelayError } from '../../errors/index.ts';
import { createOutbox, type OutboxOptions } from '../../outbox/index.ts';
import { createRelayClient } from '../../relay/index.ts';
import type { Vault } from '../../vault/index.ts';
import { readWorker, rememberKey, type WorkerEntry } from '../../worker-state/index.ts';
import { action, command, withAccount, type Context } from '../command.ts';
import { bodyFrom, type BodyFlags } from '../message-input.ts';
import { short } from '../output.ts';
import { parseId } from '../parse-id.ts';
import type { SuriFlags } from '../secrets.ts';
import {
  dataFolder,
  mayReachPrivate,
  openChain,
  openData,
  optionalAccount,
  timeoutMs,
  type EntityData,
} from '../session.ts';
import { unlockVault } from '../unlock-vault.ts';

interface Flags extends SuriFlags, BodyFlags {
  readonly to: string;
  readonly as: 'worker' | 'account';
  readonly via: 'auto' | 'chain' | 'relay';
  readonly wait: 'inBlock' | 'finalized';
  readonly tip?: bigint;
  readonly maxFee?: bigint;
}

export function sendCommand(): Command {
  const made = command('send', 'send a message to a worker, off chain or on chain', [
    ...(['ws', 'genesis', 'vault', 'data', 'timeout', 'allowPrivate', 'requireProven'] as const),
  ])
    .argument('[text]', 'the message, or - for standard input')
    .requiredOption('--to <id>', 'recipient: 0x-hex or SS58')
    .option('--file <path>', 'file that is the message')
    .option('--invoke <contract>', 'call of a contract: its id')
    .option('--input <hex>', 'ABI-encoded input of the call')
    .addOption(new Option('--as <sender>', 'who the sender is').choices(['worker', 'account']).default('worker'))
    .addOption(
      new Option('--via <path>', 'auto: relay where an endpoint answers, else chain if there is an account')
        .choices(['auto', 'chain', 'relay'])
        .default('auto'),
    )
    .option('--tip <amount>', "on chain: above the fee, to go first, in the chain's smallest unit", amount)
    .option('--max-fee <amount>', "on chain: the most that the message may cost, in the chain's smallest unit", amount)
    .addOption(
      new Option('--wait <state>', 'on chain: what to wait for').choices(['inBlock', 'finalized']).default('inBlock'),
    );
  return withAccount(made).action(action<Flags, [string | undefined]>(1, send));
}

interface Sending {
  readonly context: Context<Flags>;
  readonly chain: Chain;
  readonly vault: Vault;
  readonly data: EntityData;
  readonly to: Hex;
  readonly recipient: WorkerEntry;
  readonly body: BodyInput;
  readonly account: Account | undefined;
}

async function send(context: Context<Flags>, text: string | undefined): Promise<void> {
  const { settings, flags, signal } = context;
  const to = parseId(flags.to);
  const body = bodyFrom(text, flags);
  const account = optionalAccount(flags);
  checkPath(flags, account);
  await using vault = await unlockVault(settings);
  await using chain = await openChain(settings, signal);
  await using data = await openData(dataFolder(settings, vault), chain, 'outbox');
  const recipient = await readWorker(chain, to, { store: data.store, signal });
  if (recipient === undefined) throw new RelayError('unknown-recipient', { details: { id: to } });
  await dispatch({ context, chain, vault, data, to, recipient, body, account });
}

function checkPath({ via, as }: Flags, account: Account | undefined): void {
  const needsAccount = via === 'chain' || as === 'account';
  if (needsAccount && account === undefined) throw new RelayError('no-account');
  if (as === 'account' && via === 'relay')
    throw new RelayError('bad-setting', { details: { name: 'as', reason: 'off chain the sender is a worker' } });
}

async function dispatch(sending: Sending): Promise<void> {
  const { via, as } = sending.context.flags;
  if (via === 'chain' || as === 'account') return sendOnChain(sending);
  const { envelope, nonce, messageId } = await sealMessage(senderOf(sending), { to: sending.to, body: sending.body });
  try {
    await offChainToNewestKey(sending, { envelope, nonce, messageId });
  } catch (error) {
    const mayGoOnChain = via === 'auto' && sending.account !== undefined && isRelayError(error);
    if (!mayGoOnChain) throw error;
    // The same nonce: should both arrive, the recipient takes one.
    await sendOnChain(sending, nonce);
  }
}

/** Where the recipient has erased the key and names a newer one, seals to that; the nonce stays, so one of the two counts. */
async function offChainToNewestKey(sending: Sending, sealed: SealedMessage): Promise<void> {
  try {
    await sendOffChain(sending, sealed.envelope, sealed.messageId);
  } catch (error) {
    const { chain, to, recipient, body } = sending;
    const newer = newerKey(error, { genesisHash: chain.genesisHash, identity: to, used: recipient.current });
    if (newer === undefined) throw error;
    await rememberKey(chain, to, newer, sending.data.store);
    const { nonce } = sealed;
    const recipientKey = newer.ecdhKey;
    const { envelope, messageId } = await sealMessage(senderOf(sending), { to, body, nonce, recipientKey });
    await sendOffChain(sending, envelope, messageId);
  }
}

async function sendOffChain(sending: Sending, envelope: Uint8Array, messageId: Hex): Promise<void> {
  const { context, chain, vault, recipient } = sending;
  const { settings, output, signal } = context;
  if (recipient.endpoints.length === 0) throw new RelayError('no-endpoint', { details: { id: sending.to } });
  const { genesisHash } = chain;
  const signature = await vault.sign({ type: 'envelope', genesisHash, envelope });
  await using client = createRelayClient({
    genesisHash,
    allowPrivate: mayReachPrivate(settings, chain),
    timeoutMs: timeoutMs(settings),
  });
  const signed = encodeSignedEnvelope({ identity: vault.identity, signature, envelope });
  const { endpoint, status } = await client.send(signed, recipient.endpoints, { signal });
  output.print(
    { event: 'sent', messageId, via: 'relay', endpoint, status },
    `Sent ${short(messageId)} to ${endpoint}: ${status}.`,
  );
}

async function sendOnChain(sending: Sending, nonce?: bigint): Promise<void> {
  const { context, to, body, account } = sending;
  const { flags, output, signal } = context;
  if (account === undefined) throw new RelayError('no-account');
  const setbacks = new Subject<never>();
  const onSetback = (error: RelayError): void => {
    setbacks.error(error);
  };
  await using outbox = createOutbox({
    ...senderOf(sending),
    chain: sending.chain,
    account,
    onSetback,
    ...paying(flags),
  });
  const failed = lastValueFrom(setbacks);
  failed.catch(() => undefined); // raced below
  await outbox.start();
  const receipt = await outbox.send({
    to,
    body,
    as: flags.as,
    via: 'chain',
    ...(nonce === undefined ? {} : { nonce }),
  });
  // A command gives up where a service would go on; the message stays queued, and the next send posts it.
  const { messageId, blockHash, blockNumber } = await Promise.race([receipt.reached(flags.wait, signal), failed]);
  output.print(
    { event: 'sent', messageId, via: 'chain', blockHash, block: blockNumber },
    `Sent ${short(messageId)} in block ${blockNumber} (${short(blockHash)}).`,
  );
}

function paying({ tip, maxFee }: Flags): Pick<OutboxOptions, 'tip' | 'maxFee'> {
  return { ...(tip === undefined ? {} : { tip }), ...(maxFee === undefined ? {} : { maxFee }) };
}

function amount(text: string): bigint {
  if (/^[0-9]{1,19}$/.test(text)) return BigInt(text);
  throw new RelayError('bad-setting', { details: { name: 'amount', reason: `"${text}" is no whole number` } });
}

function senderOf({ vault, chain, data, to, recipient, context }: Sending) {
  const directory: KeyDirectory = { get: (id) => (id === to ? recipient : undefined) };
  const { requireProven } = context.settings;
  return { vault, genesisHash: chain.genesisHash, store: data.store, directory, requireProven };
}
