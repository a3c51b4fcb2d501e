import { Command, Option } from 'commander';
import { fromHex } from '../../codec/index.ts';
import { isRelayError, RelayError } from '../../errors/index.ts';
import { openOutboxQueue, type OutboxEntry } from '../../outbox/index.ts';
import { chainFolders, onlyStore, storeOf } from '../chain-folders.ts';
import type { SuriFlags } from '../secrets.ts';
import { orInterrupted } from '../send/or-interrupted.ts';
import { queueSettings, relayClientOf, withMaxFee, withTip } from '../send/queue-options.ts';
import { Recipients } from '../send/recipients.ts';
import type { PayingFlags } from '../send/sending.ts';
import { warn } from '../warn.ts';
import { words, type Word } from '../send/awaited-words.ts';
import { untilTold } from '../send/until-told.ts';
import { workOnQueue } from '../send/working-queue.ts';
import { dataFolder, openChain, openData, optionalAccount, verified } from '../session.ts';
import { unlockVault } from '../unlock-vault.ts';
import { action, command, withAccount, type Context } from '../command.ts';
import { short, type Output } from '../output.ts';
import { topicText } from '../topic-text.ts';

interface SendFlags extends SuriFlags, PayingFlags {
  readonly wait?: Word;
}

type RetryFlags = Pick<PayingFlags, 'maxFee'>;

interface CancelFlags {
  readonly giveUp?: true;
}

export function outboxCommand(description: string): Command {
  const settings = ['vault', 'data', 'genesis'] as const;
  return new Command('outbox')
    .description(description)
    .addCommand(
      command('ls', 'what was sent and where it stands', settings)
        .option('--pending', 'only what is not at its end')
        .action(action(0, list)),
    )
    .addCommand(
      withTip(
        withAccount(command('send', 'send what is queued, off chain and, with an account, on chain', queueSettings)),
      )
        .addOption(
          new Option(
            '--wait <state>',
            'also wait until all that was sent with --receipt delivered, or read, was that, for as long as --timeout says',
          ).choices(words),
        )
        .action(
          action<SendFlags>(0, (context) =>
            orInterrupted(
              () => send(context),
              () => ({}),
            ),
          ),
        ),
    )
    .addCommand(
      withMaxFee(command('retry', 'queue what failed again', settings), 'message')
        .argument('<id...>', 'numbers as ls prints them, or all')
        .action(action<RetryFlags, [string[]]>(1, retry)),
    )
    .addCommand(
      command('cancel', 'take back what is still queued', settings)
        .argument('<id...>', 'numbers as ls prints them, or all')
        .option('--give-up', 'also what the worker has signed: it is not posted again, but may come in all the same')
        .action(action<CancelFlags, [string[]]>(1, cancel)),
    )
    .addHelpText(
      'after',
      '\nAll but send work beside a running outbox, and without a chain. What is queued goes with outbox send, with the next send, or while serve runs.',
    );
}

async function list({ settings, flags, output }: Context<{ readonly pending?: true }>): Promise<void> {
  for (const folder of await chainFolders(settings)) {
    await using store = await storeOf(folder);
    for await (const entry of openOutboxQueue(store).entries())
      if (flags.pending !== true || !atEnd.has(entry.status.state)) print(output, folder.chain, entry);
  }
}

async function send(context: Context<SendFlags>): Promise<void> {
  const { settings, flags, signal } = context;
  await using vault = await unlockVault(settings);
  await using chain = await openChain(settings, signal);
  await using data = await openData(dataFolder(settings, vault), chain, 'outbox');
  const directory = new Recipients(chain, data.store, verified(settings));
  await using client = relayClientOf(settings, chain);
  const account = optionalAccount(flags);
  const parts = { context, chain, vault, data, directory, account, client };
  await using queue = await workOnQueue(parts, { isMeant: () => true });
  const { wait } = flags;
  const sendAll = async (): Promise<void> => {
    await queue.until(0);
    if (wait === undefined) return;
    await untilTold(wait, await queue.untold(wait), context, (first, count) => {
      // Earlier commands sent them, and they stay in the queue.
      warn(`no word will come of ${count} that went before, of the first: ${first.message} [${first.code}]`);
    });
  };
  await orInterrupted(sendAll, () => ({ queued: queue.progress.left }));
}

async function retry({ settings, flags, output }: Context<RetryFlags>, ids: readonly string[]): Promise<void> {
  await using store = await onlyStore(settings);
  const queue = openOutboxQueue(store);
  for (const sendId of await chosen(ids, queue.entries(), ({ status }) => mayRetry(status))) {
    await queue.retry(sendId, flags);
    output.print({ event: 'retried', sendId }, `Message ${sendId} is queued again.`);
  }
}

async function cancel({ settings, flags, output }: Context<CancelFlags>, ids: readonly string[]): Promise<void> {
  const { giveUp = false } = flags;
  await using store = await onlyStore(settings);
  const queue = openOutboxQueue(store);
  const fits = ({ status: { state } }: OutboxEntry): boolean => state === 'queued' || (giveUp && state === 'submitted');
  for (const sendId of await chosen(ids, queue.entries(), fits)) {
    try {
      await queue.cancel(sendId, { giveUp });
    } catch (error) {
      // Of all, what is on its way without a signature of the worker goes on.
      if (!ids.includes('all') || !isRelayError(error, 'too-late-to-cancel')) throw error;
      continue;
    }
    output.print({ event: 'cancelled', sendId }, `Message ${sendId} is cancelled.`);
  }
}

const atEnd: ReadonlySet<string> = new Set(['finalized', 'relayed', 'failed']);

function mayRetry(status: OutboxEntry['status']): boolean {
  return status.state === 'failed' && status.error.code !== 'send-cancelled';
}

/** The numbers given, or all that fit. Throws bad-setting. */
async function chosen(
  ids: readonly string[],
  entries: AsyncIterable<OutboxEntry>,
  fits: (entry: OutboxEntry) => boolean,
): Promise<bigint[]> {
  if (!ids.includes('all')) return ids.map(parseSendId);
  const found: bigint[] = [];
  for await (const entry of entries) if (fits(entry)) found.push(entry.sendId);
  return found;
}

function parseSendId(text: string): bigint {
  if (/^[0-9]{1,19}$/.test(text)) return BigInt(text);
  throw new RelayError('bad-setting', { details: { name: 'id', reason: `"${text}" is no number of a message` } });
}

function print(output: Output, chain: string, entry: OutboxEntry): void {
  const { sendId, suite, to, as, account, via, nonce, queuedAt, bodyBytes, status, delivered, read } = entry;
  const receipts = words.filter((word) => entry[word === 'read' ? 'readReceipt' : 'deliveryReceipt'] === true);
  const sender = account === undefined ? {} : { account };
  const { error } = status as { readonly error?: RelayError };
  const failure = error === undefined ? {} : { code: error.code, reason: error.message };
  const { state, ...where } = status;
  const facts = 'error' in where ? failure : where;
  output.print(
    {
      event: 'entry',
      chain,
      sendId,
      state,
      suite,
      to,
      as,
      ...sender,
      via,
      nonce,
      queuedAt,
      bytes: bodyBytes,
      ...facts,
      ...(receipts.length > 0 && { receipts }),
      ...(delivered !== undefined && { delivered }),
      ...(read !== undefined && { read }),
    },
    `${sendId}  ${state.padEnd(9)}  to ${suite === 'phala' ? topicText(fromHex(to)) : short(to)}  as ${account === undefined ? as : `account ${short(account)}`}  ${bodyBytes} bytes  ${new Date(queuedAt).toISOString()}` +
      (delivered === undefined ? '' : `\n    delivered ${new Date(delivered.deliveredAt).toISOString()}`) +
      (read === undefined ? '' : `\n    read ${new Date(Number(read.readAt)).toISOString()}`) +
      (error === undefined ? '' : `\n    ${error.message}`) +
      ('isOutcomeUnknown' in where ? '\n    what the chain made of its extrinsic can not be known any more' : ''),
  );
}
