import { concatMap, defer, exhaustMap, interval, merge, of, Subject, takeUntil, tap, type Observable } from 'rxjs';
import { verify } from '../crypto/index.ts';
import { isLocalFailure, isVaultUnread, RelayError } from '../errors/index.ts';
import type { Backoff } from './backoff.ts';
import type { RelayClient } from './client.ts';
import { createIngest, type Ingest } from './ingest.ts';
import type { ReceiverEvent, RelayDelivery } from './receiver.ts';
import type { LocalEntity } from './relay-options.ts';
import { checkSignature, checkSigner } from './verify.ts';
import type { Hex } from '../codec/index.ts';

export interface MailboxFeedOptions {
  readonly client: RelayClient;
  readonly genesisHash: Hex;
  /** Base URL of the relay. */
  readonly url: string;
  readonly local: Required<LocalEntity>;
  /** Pauses between attempts to connect. Default 0.5 s to 30 s. */
  readonly backoff?: Backoff;
}

export type MailboxEvent =
  | { readonly type: 'ready' }
  | { readonly type: 'lost'; readonly error: RelayError }
  /** A message is in the inbox, or was there before. */
  | { readonly type: 'accepted'; readonly messageId: Hex }
  /** A message does not open, or is too old; it is in the inbox's dead-letter list. */
  | { readonly type: 'dead'; readonly messageId: Hex }
  /** The relay gave what nobody signed, or what there is no room for among the dead letters; it is acknowledged. */
  | { readonly type: 'refused'; readonly error: RelayError }
  /**
   * The vault's file can not be read, which may have the key of a registered worker's message, and there is no room for it
   * among the dead letters: the relay keeps it, and it is tried again each 2 s. Said once of each.
   */
  | { readonly type: 'held'; readonly error: RelayError };

// A relay may take more than others do by default; a message of its socket is bounded anyway.
const maxDeliveredBytes = 2 ** 20;
/** Between two tries of what is held. */
const againMs = 2_000;

/**
 * Empties a mailbox into an inbox: checks who signed each message, hands it over, and acknowledges it to the relay when
 * it is durable. A relay is trusted with nothing. Errors as {@link RelayClient.receive} does, and with store or vault
 * failures.
 */
export function feedFromMailbox({
  client,
  genesisHash,
  url,
  local,
  backoff,
}: MailboxFeedOptions): Observable<MailboxEvent> {
  const { identity, vault } = local;
  const ingest = createIngest({ genesisHash, maxMessageBytes: maxDeliveredBytes });
  const backoffs = backoff === undefined ? {} : { backoff };
  return defer(() => {
    /** Oldest first; no more than are delivered at once without acknowledgement. */
    const held: RelayDelivery[] = [];
    const takeNew = async (delivery: RelayDelivery): Promise<MailboxEvent> => {
      const event = await take(delivery, ingest, local);
      if (event.type === 'held') held.push(delivery);
      return event;
    };
    const over = new Subject<void>();
    const news = client.receive({ url, identity, sign: (login) => vault.sign(login), ...backoffs }).pipe(
      concatMap((event: ReceiverEvent): Observable<MailboxEvent> | Promise<MailboxEvent> =>
        event.type === 'delivery' ? takeNew(event) : of(event),
      ),
      tap({
        complete: () => {
          over.next();
        },
      }),
    );
    const again = interval(againMs).pipe(
      takeUntil(over),
      exhaustMap(() => takeAgain(held, ingest, local)),
    );
    return merge(again, news);
  });
}

/** What is held, up to the first that stays so. */
async function* takeAgain(held: RelayDelivery[], ingest: Ingest, local: LocalEntity): AsyncGenerator<MailboxEvent> {
  for (let oldest = held[0]; oldest !== undefined; oldest = held[0]) {
    const event = await take(oldest, ingest, local);
    if (event.type === 'held') return;
    held.shift();
    yield event;
  }
}

async function take(delivery: RelayDelivery, ingest: Ingest, local: LocalEntity): Promise<MailboxEvent> {
  try {
    const message = ingest(delivery.signedEnvelope);
    checkSigner(message);
    await checkSignature(message, { verifySignature: verify });
    // The relay held it against its clock when it came in (protocol.md §9).
    const kept = { skipClockCheck: true, keepDead: true };
    const outcome = await local.accept(new Uint8Array(message.signed.envelope), kept);
    delivery.ack();
    return { type: outcome === 'dead' ? 'dead' : 'accepted', messageId: message.messageId };
  } catch (error) {
    if (isVaultUnread(error)) return { type: 'held', error };
    if (!(error instanceof RelayError) || isLocalFailure(error)) throw error;
    delivery.ack();
    return { type: 'refused', error };
  }
}
