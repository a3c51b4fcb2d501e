import type { Command } from 'commander';
import { toHex } from '../../codec/index.ts';
import { rotateEntity } from '../../presence/index.ts';
import { action, command, withAccount, type Context } from '../command.ts';
import { short } from '../output.ts';
import { posting, type Post } from '../posting.ts';
import type { SuriFlags } from '../secrets.ts';
import { openChain, payingAccount } from '../session.ts';
import { unlockVault } from '../unlock-vault.ts';

const left =
  'the next EcdhKey may be pending in the vault, as keys show says, and its record may have been posted, and come into a block yet';

export function rotateCommand(description: string): Command {
  return withAccount(command('rotate', description, ['ws', 'genesis', 'vault', 'timeout'])).action(
    action<SuriFlags>(0, (context) => posting(left, (post) => rotate(context, post))),
  );
}

async function rotate({ settings, flags, output, signal }: Context<SuriFlags>, post: Post): Promise<void> {
  const account = payingAccount(flags);
  await using vault = await unlockVault(settings);
  await using chain = await openChain(settings, signal);
  const { epoch, ecdhKey, blockHash, blockNumber } = await post(() => rotateEntity({ chain, vault, account, signal }));
  output.print(
    { event: 'rotated', identity: vault.identity, ecdh: toHex(ecdhKey), epoch, blockHash, block: blockNumber },
    `Epoch ${epoch} is current since block ${blockNumber} (${short(blockHash)}).`,
  );
}
