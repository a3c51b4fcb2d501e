import { RelayError } from '../../errors/index.ts';
import { short } from '../output.ts';
import { postOne } from './post-one.ts';
import { paying, senderOf, type Sending } from './sending.ts';

/** Posts through the outbox and prints the block. */
export async function sendOnChain(sending: Sending, nonce?: bigint): Promise<void> {
  const { context, to, body, account, chain } = sending;
  const { flags, output, signal } = context;
  if (account === undefined) throw new RelayError('no-account');
  const message = { to, body, as: flags.as, via: 'chain', ...(nonce === undefined ? {} : { nonce }) } as const;
  const { messageId, blockHash, blockNumber } = await postOne(
    { ...senderOf(sending), chain, account, ...paying(flags) },
    (outbox) => outbox.send(message),
    { wait: flags.wait === 'finalized' ? 'finalized' : 'inBlock', signal },
  );
  output.print(
    { event: 'sent', messageId, via: 'chain', blockHash, block: blockNumber },
    `Sent ${short(messageId)} in block ${blockNumber} (${short(blockHash)}).`,
  );
}
