import { Command } from 'commander';
import { isRelayError } from '../../errors/index.ts';
import { openInboxFiles, type InboxFiles, type ListedLetter, type PendingDelivery } from '../../inbox/index.ts';
import type { TransactionalStore } from '../../store/index.ts';
import { chainFolders, onlyStore, storeOf } from '../chain-folders.ts';
import { action, command, type Context } from '../command.ts';
import { checkAllThere, letterNumber, tellDiscarded, tellRetried } from '../letters.ts';
import { short, type JsonEvent, type Output } from '../output.ts';
import { unlockVault } from '../unlock-vault.ts';

export function inboxCommand(description: string): Command {
  const settings = ['vault', 'data', 'genesis'] as const;
  return new Command('inbox')
    .description(description)
    .addCommand(
      command('ls', 'what was received and not acknowledged yet, and how far the chain was read', settings).action(
        action(0, list),
      ),
    )
    .addCommand(
      command('dead', 'messages that could not be delivered, with the reason', settings)
        .option('--discard <numbers>', 'remove these for good: numbers as printed, joined by commas')
        .action(action(0, dead)),
    )
    .addCommand(
      command('retry', 'try messages again that could not be delivered', settings)
        .argument('<number...>', 'numbers as dead prints them, or all')
        .action(action<object, [string[]]>(1, retry)),
    )
    .addHelpText('after', '\nWorks beside a running listen or serve, which delivers what is retried within seconds.');
}

async function list({ settings, output }: Context<object>): Promise<void> {
  for (const folder of await chainFolders(settings)) {
    await using store = await storeOf(folder);
    const inbox = await filesOf(store);
    const cursor = inbox?.cursor;
    const { chain } = folder;
    output.print(
      { event: 'cursor', chain, block: cursor?.number ?? null, blockHash: cursor?.hash ?? null },
      cursor === undefined ? 'No block was read yet.' : `Read up to block ${cursor.number} (${short(cursor.hash)}).`,
    );
    if (inbox !== undefined) for await (const pending of inbox.pending()) printPending(output, pending);
  }
}

/** undefined where nothing was received yet. */
async function filesOf(store: TransactionalStore): Promise<InboxFiles | undefined> {
  return openInboxFiles(store).catch((error: unknown) => {
    if (isRelayError(error, 'inbox-empty')) return undefined;
    throw error;
  });
}

async function dead({ settings, flags, output }: Context<{ readonly discard?: string }>): Promise<void> {
  const named = flags.discard?.split(',').map(letterNumber);
  await using store = await onlyStore(settings);
  const inbox = await filesOf(store);
  if (named !== undefined) {
    const discarded = (await inbox?.discard(named)) ?? [];
    tellDiscarded(output, named, discarded);
    return;
  }
  if (inbox !== undefined) for await (const letter of inbox.deadLetters()) printLetter(output, letter);
}

async function retry({ settings, output }: Context<object>, numbers: readonly string[]): Promise<void> {
  const isAll = numbers.includes('all');
  const named = isAll ? [] : numbers.map(letterNumber);
  await using store = await onlyStore(settings);
  const inbox = await filesOf(store);
  if (inbox === undefined) {
    checkAllThere(named, []);
    return;
  }
  const letters = isAll ? await allOf(inbox) : named;
  await using vault = await unlockVault(settings);
  const tried = await inbox.retry(vault, letters);
  tellRetried(output, named, tried);
}

async function allOf(inbox: InboxFiles): Promise<bigint[]> {
  const all: bigint[] = [];
  for await (const { sequence } of inbox.deadLetters()) all.push(sequence);
  return all;
}

function printLetter(output: Output, letter: ListedLetter): void {
  const { sequence, messageId, code, sender, retries, envelope, isFinal, isProven } = letter;
  const from = sender === undefined || sender.kind === 'other' ? null : sender.id;
  const who = from === null ? (sender?.kind === 'other' ? sender.name : 'a relay') : short(from);
  const block = letter.block?.number ?? null;
  const bytes = envelope.length;
  output.print(
    { event: 'dead', number: sequence, messageId, from, code, block, bytes, retries, proven: isFinal && isProven },
    `${sequence}  ${code.padEnd(18)}  from ${who}, ${block === null ? 'off chain' : `block ${block}`}, ${bytes} bytes`,
  );
}

function printPending(output: Output, pending: PendingDelivery): void {
  const { sequence, kind, ...facts } = pending;
  const event: JsonEvent = { event: 'pending', number: sequence, kind, ...facts };
  output.print(event, `${sequence}  ${textOf(pending)}`);
}

function textOf(pending: PendingDelivery): string {
  switch (pending.kind) {
    case 'message': {
      const { messageId, from, fromKind, via, block, state } = pending;
      const where = via === 'chain' ? `block ${block ?? '?'}` : 'off chain';
      return `${state.padEnd(14)}  ${short(messageId)} from ${fromKind} ${short(from)}, ${where}`;
    }
    case 'gap':
      return `blocks ${pending.first} to ${pending.last} are missing: their messages are not known`;
    default:
      return `${pending.kind} ${short(pending.messageId)}`;
  }
}
