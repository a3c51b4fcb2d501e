import { lastValueFrom, Subject } from 'rxjs';
import { RelayError } from '../../errors/index.ts';
import { createOutbox } from '../../outbox/index.ts';
import { short } from '../output.ts';
import { paying, senderOf, type Sending } from './sending.ts';

/** Posts through the outbox and prints the block. */
export async function sendOnChain(sending: Sending, nonce?: bigint): Promise<void> {
  const { context, to, body, account, chain } = sending;
  const { flags, output, signal } = context;
  if (account === undefined) throw new RelayError('no-account');
  const setbacks = new Subject<never>();
  const onSetback = (error: RelayError): void => {
    setbacks.error(error);
  };
  await using outbox = createOutbox({ ...senderOf(sending), chain, account, onSetback, ...paying(flags) });
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
  const wait = flags.wait === 'finalized' ? 'finalized' : 'inBlock';
  // A command gives up where a service would go on; the message stays queued, and the next send posts it.
  const { messageId, blockHash, blockNumber } = await Promise.race([receipt.reached(wait, signal), failed]);
  output.print(
    { event: 'sent', messageId, via: 'chain', blockHash, block: blockNumber },
    `Sent ${short(messageId)} in block ${blockNumber} (${short(blockHash)}).`,
  );
}
