import { InvalidArgumentError, Option, type Command } from 'commander';
import type { Account } from '../../chain/index.ts';
import { isRelayError, RelayError } from '../../errors/index.ts';
import { action, command, withAccount, type Context } from '../command.ts';
import { bodyFrom, callOf, linesOf, type BodyFlags } from '../message-input.ts';
import { parseId } from '../parse-id.ts';
import type { SuriFlags } from '../secrets.ts';
import { askOffChain } from '../send/ask-off-chain.ts';
import { orInterrupted } from '../send/or-interrupted.ts';
import { queueOffline } from '../send/queue-offline.ts';
import { queueSettings, relayClientOf, withMaxFee, withTip } from '../send/queue-options.ts';
import { bodiesOf, sendLines } from '../send/send-lines.ts';
import { sendOne } from '../send/send-one.ts';
import { Recipients } from '../send/recipients.ts';
import type { SendFlags } from '../send/sending.ts';
import { words, type Word } from '../send/awaited-words.ts';
import { waits, type Wait } from '../send/wait.ts';
import { dataFolder, openChain, openData, optionalAccount, verified } from '../session.ts';
import { unlockVault } from '../unlock-vault.ts';

interface Flags extends SuriFlags, BodyFlags, SendFlags {
  readonly to: string;
  readonly lines?: true;
}

export function sendCommand(description: string): Command {
  const made = command('send', description, queueSettings)
    .argument('[text]', 'the message, or - for standard input')
    .requiredOption('--to <id>', 'recipient: 0x-hex or SS58')
    .option('--file <path>', 'file that is the message')
    .option('--lines', 'with -: each line of standard input is a message, sent as it comes')
    .option('--invoke <contract>', 'call of a contract: its id')
    .option('--input <hex>', 'ABI-encoded input of the call')
    .option('--abi <file>', 'ink! metadata of the contract, to encode the call and decode what it returns')
    .option('--method <name>', 'with --abi: the message to call')
    .option('--args <json>', 'with --abi: its arguments, an array in order or an object by name', '[]')
    .addOption(new Option('--as <sender>', 'who the sender is').choices(['worker', 'account']).default('worker'))
    .addOption(
      new Option('--via <path>', 'auto: relay where an endpoint answers, else chain if there is an account')
        .choices(['auto', 'chain', 'relay'])
        .default('auto'),
    )
    .addOption(
      new Option(
        '--wait <state>',
        'what to wait for. Off chain: stored (default), delivered, read, reply, for as long as --timeout says. On chain: inBlock (default), finalized',
      ).choices(waits),
    )
    .addOption(
      new Option(
        '--receipt <kind>',
        'ask to be told when the message was delivered, or that the recipient has read it, which may be later: outbox ls shows it; with --wait, wait for it. May be given for both',
      )
        .choices(words)
        .argParser(eachWord),
    )
    .option('--fresh-key', 'seal from a key made for this message alone; who waits for an answer always does')
    .addHelpText(
      'after',
      '\nA message is queued durably before it is sent. What can not go within --timeout stays queued: it goes with the next send,\nwith outbox send, or while serve runs. What waits for an answer is not queued, but for --receipt.',
    );
  return withMaxFee(withTip(withAccount(made)), 'message').action(
    action<Flags, [string | undefined]>(1, (context, text) =>
      orInterrupted(
        () => send(context, text),
        () => ({ queued: 0 }),
      ),
    ),
  );
}

async function send(context: Context<Flags>, text: string | undefined): Promise<void> {
  const { settings, flags, signal } = context;
  const to = parseId(flags.to);
  const account = optionalAccount(flags);
  checkPath(flags, account);
  const call = flags.invoke === undefined ? undefined : await callOf(flags);
  const lines = flags.lines === true ? linesOf(text, flags, signal) : undefined;
  const body = lines === undefined ? bodyFrom(text, flags, call) : undefined;
  await using vault = await unlockVault(settings);
  const opened = await openChain(settings, signal).catch((error: unknown) => {
    if (isRelayError(error, 'chain-unreachable') && !isAsked(flags)) return error;
    throw error;
  });
  if (opened instanceof RelayError) {
    const bodies = lines === undefined ? [body].filter((one) => one !== undefined) : bodiesOf(lines);
    await queueOffline({ context, vault, to, account, bodies, unreachable: opened });
    return;
  }
  await using chain = opened;
  await using data = await openData(dataFolder(settings, vault), chain, 'outbox');
  const directory = new Recipients(chain, data.store, verified(settings));
  await directory.load(to, signal);
  const recipient = directory.get(to);
  if (recipient === undefined) throw new RelayError('unknown-recipient', { details: { id: to } });
  await using client = relayClientOf(settings, chain);
  const sending = { context, chain, vault, data, to, recipient, directory, account, client };
  if (lines !== undefined) await sendLines(sending, lines);
  else if (body !== undefined && isAsked(flags)) await askOffChain({ ...sending, body }, call?.decodeReturn);
  else if (body !== undefined) await sendOne({ ...sending, body });
}

/** Whether an answer is waited for without the queue. */
function isAsked({ wait, receipt }: Flags): boolean {
  return (wait === 'read' || wait === 'reply') && receipt === undefined;
}

function checkPath(flags: Flags, account: Account | undefined): void {
  const { via, as, wait, lines, receipt, freshKey } = flags;
  const isOnChain = via === 'chain' || as === 'account';
  if (isOnChain && account === undefined) throw new RelayError('no-account');
  if (as === 'account' && via === 'relay') throw badSetting('as', 'off chain the sender is a worker');
  if (isOnChain && wait !== undefined && !isOfChain(wait)) throw badSetting('wait', 'answers come off chain');
  if (via === 'relay' && isOfChain(wait)) throw badSetting('wait', 'off chain there are no blocks');
  if (receipt !== undefined && (wait === 'reply' || (wait === 'read' && !receipt.includes(wait))))
    throw badSetting('wait', 'with --receipt only what that asks for is waited for');
  if (receipt?.includes('delivered') === true && isOnChain)
    throw badSetting('receipt', 'relays tell it, and it goes on chain');
  if (receipt?.includes('read') === true && (as === 'account' || freshKey !== undefined))
    throw badSetting('receipt', 'it comes to the key of a worker that is kept');
  if (lines === true && isAsked(flags))
    throw badSetting('wait', 'answers are waited for one message at a time, or with --receipt');
}

function eachWord(value: string, before: readonly Word[] = []): readonly Word[] {
  const word = words.find((each) => each === value);
  if (word === undefined) throw new InvalidArgumentError(`Allowed choices are ${words.join(', ')}.`);
  return [...new Set([...before, word])];
}

function isOfChain(wait: Wait | undefined): boolean {
  return wait === 'inBlock' || wait === 'finalized';
}

function badSetting(name: string, reason: string): RelayError {
  return new RelayError('bad-setting', { details: { name, reason } });
}
