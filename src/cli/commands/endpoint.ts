import { Command } from 'commander';
import { checkEndpoints, publishEndpoints } from '../../presence/index.ts';
import { action, command, withAccount, type Context } from '../command.ts';
import { short } from '../output.ts';
import { posting, type Post } from '../posting.ts';
import type { SuriFlags } from '../secrets.ts';
import { openChain, payingAccount } from '../session.ts';
import { unlockVault } from '../unlock-vault.ts';

const left = 'the endpoints may have been posted, and come into a block yet';

export function endpointCommand(description: string): Command {
  const set = withAccount(
    command('set', 'publish endpoint URLs and the record of the current EcdhKey', [
      'ws',
      'genesis',
      'vault',
      'timeout',
    ]),
  )
    .argument(
      '[urls...]',
      'URLs under which the entity takes messages, its own relay first: they are tried in this order; none: the record alone',
    )
    .action(
      action<SuriFlags, [readonly string[]]>(1, (context, urls) =>
        posting(left, (post) => setEndpoints(context, urls, post)),
      ),
    );
  return new Command('endpoint').description(description).addCommand(set);
}

async function setEndpoints(
  { settings, flags, output, signal }: Context<SuriFlags>,
  urls: readonly string[],
  post: Post,
): Promise<void> {
  checkEndpoints(urls);
  const account = payingAccount(flags);
  await using vault = await unlockVault(settings);
  await using chain = await openChain(settings, signal);
  const { blockHash, blockNumber } = await post(() => publishEndpoints({ chain, vault, account, signal }, urls));
  output.print(
    { event: 'published', identity: vault.identity, endpoints: urls, blockHash, block: blockNumber },
    `Published ${urls.length} endpoint(s) in block ${blockNumber} (${short(blockHash)}).`,
  );
}
