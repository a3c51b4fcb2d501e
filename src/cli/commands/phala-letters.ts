import type { Command } from 'commander';
import { isRelayError } from '../../errors/index.ts';
import { openPhalaFiles, type ListedCommand, type PhalaFiles } from '../../inbox/index.ts';
import type { TransactionalStore } from '../../store/index.ts';
import { onlyStore } from '../chain-folders.ts';
import { action, command, type Context } from '../command.ts';
import { checkAllThere, letterNumber, tellDiscarded, tellRetried } from '../letters.ts';
import { short, type Output } from '../output.ts';
import { topicText } from '../topic-text.ts';
import { unlockVault } from '../unlock-vault.ts';

const settings = ['vault', 'data', 'genesis'] as const;

/** `phala dead` and `phala retry`: as of the inbox, of what `phala listen` could not read. */
export function letterCommands(): readonly [dead: Command, retry: Command] {
  return [
    command('dead', 'what listen could not read, with the reason: often it is sealed to others', settings)
      .option('--discard <numbers>', 'remove these for good: numbers as printed, joined by commas')
      .action(action(0, dead)),
    command('retry', 'try again what could not be read; listen delivers it with the next finalized block', settings)
      .argument('<number...>', 'numbers as dead prints them, or all')
      .action(action<object, [string[]]>(1, retry)),
  ];
}

async function dead({ settings, flags, output }: Context<{ readonly discard?: string }>): Promise<void> {
  const named = flags.discard?.split(',').map(letterNumber);
  await using store = await onlyStore(settings);
  const files = await filesOf(store);
  if (named !== undefined) tellDiscarded(output, named, (await files?.discard(named)) ?? []);
  else if (files !== undefined) for await (const letter of files.deadLetters()) printLetter(output, letter);
}

async function retry({ settings, output }: Context<object>, numbers: readonly string[]): Promise<void> {
  const named = numbers.includes('all') ? undefined : numbers.map(letterNumber);
  await using store = await onlyStore(settings);
  const files = await filesOf(store);
  if (files === undefined) {
    checkAllThere(named ?? [], []);
    return;
  }
  await using vault = await unlockVault(settings);
  tellRetried(output, named ?? [], await files.retry(vault, named));
}

/** undefined where nothing was read yet. */
async function filesOf(store: TransactionalStore): Promise<PhalaFiles | undefined> {
  return openPhalaFiles(store).catch((error: unknown) => {
    if (isRelayError(error, 'inbox-empty')) return undefined;
    throw error;
  });
}

function printLetter(output: Output, letter: ListedCommand): void {
  const { sequence, messageId, topic, payload, sender, block, proven, code, retries } = letter;
  const fromKind = sender.kind === 'other' ? sender.name.toLowerCase() : sender.kind;
  const from = sender.id ?? null;
  const who = from === null ? fromKind : `${fromKind} ${short(from)}`;
  const [name, bytes] = [topicText(topic), payload.length];
  output.print(
    { event: 'dead', number: sequence, messageId, topic: name, from, fromKind, code, block, bytes, retries, proven },
    `${sequence}  ${code.padEnd(18)}  from ${who}, block ${block}, ${bytes} bytes, on ${name}`,
  );
}
