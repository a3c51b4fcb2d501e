import { newerKey, sealMessage, type SealedMessage } from '../../channel/index.ts';
import { isRelayError, RelayError } from '../../errors/index.ts';
import { signMessage } from '../../relay/index.ts';
import { rememberKey } from '../../worker-state/index.ts';
import { short } from '../output.ts';
import { senderOf, type Sending } from './sending.ts';

/** Why a message did not go off chain; by its nonce it may go another way. */
export interface NotSent {
  readonly reason: RelayError;
  readonly nonce: bigint;
}

/** Sends to the endpoints of the recipient, once each. */
export async function sendOffChain(sending: Sending, isFresh: boolean): Promise<NotSent | undefined> {
  const { to, body } = sending;
  const key = isFresh ? { freshKey: { keepMs: 0 } } : {};
  const sealed = await sealMessage(senderOf(sending), { to, body, ...key });
  try {
    await toNewestKey(sending, sealed, key);
    return undefined;
  } catch (error) {
    if (!isRelayError(error)) throw error;
    return { reason: error, nonce: sealed.nonce };
  }
}

/** Where the recipient has erased the key and names a newer one, seals to that; the nonce stays, so one of the two counts. */
async function toNewestKey(sending: Sending, sealed: SealedMessage, key: object): Promise<void> {
  try {
    await hand(sending, sealed);
  } catch (error) {
    const { chain, to, recipient, body, data } = sending;
    const newer = newerKey(error, { genesisHash: chain.genesisHash, identity: to, used: recipient.current });
    if (newer === undefined) throw error;
    await rememberKey(chain, to, newer, data.store);
    const again = { to, body, nonce: sealed.nonce, recipientKey: newer.ecdhKey, ...key };
    await hand(sending, await sealMessage(senderOf(sending), again));
  }
}

async function hand(sending: Sending, { envelope, messageId }: SealedMessage): Promise<void> {
  const { context, chain, vault, recipient, client } = sending;
  const { output, signal } = context;
  if (recipient.endpoints.length === 0) throw new RelayError('no-endpoint', { details: { id: sending.to } });
  const signed = await signMessage(vault, chain.genesisHash, envelope);
  const { endpoint, status } = await client.send(signed, recipient.endpoints, { signal });
  output.print(
    { event: 'sent', messageId, via: 'relay', endpoint, status },
    `Sent ${short(messageId)} to ${endpoint}: ${status}.`,
  );
}
