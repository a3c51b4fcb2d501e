import type { Command } from 'commander';
import { checkEndpoints, registerEntity } from '../../presence/index.ts';
import { action, command, withAccount, type Context } from '../command.ts';
import { short } from '../output.ts';
import { posting, type Post } from '../posting.ts';
import type { SuriFlags } from '../secrets.ts';
import { openChain, payingAccount } from '../session.ts';
import { unlockVault } from '../unlock-vault.ts';

interface Flags extends SuriFlags {
  readonly endpoint: readonly string[];
}

const left = 'the registration may have been posted, and come into a block yet';

export function registerCommand(description: string): Command {
  return withAccount(command('register', description, ['ws', 'genesis', 'vault', 'timeout']))
    .option(
      '--endpoint <url>',
      'URL under which it takes messages; of several its own relay first: they are tried in this order',
      collect,
      [],
    )
    .action(action<Flags>(0, (context) => posting(left, (post) => register(context, post))));
}

async function register({ settings, flags, output, signal }: Context<Flags>, post: Post): Promise<void> {
  checkEndpoints(flags.endpoint);
  const account = payingAccount(flags);
  await using vault = await unlockVault(settings);
  await using chain = await openChain(settings, signal);
  const { blockHash, blockNumber } = await post(() =>
    registerEntity({ chain, vault, account, signal }, flags.endpoint),
  );
  output.print(
    { event: 'registered', identity: vault.identity, blockHash, block: blockNumber },
    `Registered ${vault.identity} in block ${blockNumber} (${short(blockHash)}).`,
  );
}

function collect(value: string, earlier: readonly string[]): readonly string[] {
  return [...earlier, value];
}
