import type { Account } from '../chain/index.ts';
import { nonceKey, type NonceClock } from '../channel/nonce-source.ts';
import { decodeBody, encodeBody, type Hex } from '../codec/index.ts';
import { checkU64, checkValue, RelayError } from '../errors/index.ts';
import type { TransactionalStore } from '../store/transactional-store.ts';
import type { Vault } from '../vault/vault.ts';
import { appendGroupOf, type NewMessage } from './append-group.ts';
import { checkMaxFee, senders, ways, type MessageRecord } from './message-record.ts';
import type { SendMessage } from './outbox.ts';
import { firstRoute } from './route.ts';
import type { SendId } from './send-id.ts';

/** A message whose nonce is not known yet. */
export type UnnumberedRecord = Omit<MessageRecord, 'nonce'>;

export interface QueueMessageOptions extends NonceClock {
  readonly vault: Pick<Vault, 'identity' | 'keep'>;
  readonly store: TransactionalStore;
  /** Of the chain that the message is for. */
  readonly genesisHash: Hex;
  /** Who pays on chain, and the sender of what goes as an account. */
  readonly account?: Pick<Account, 'id'> | undefined;
  /** Whether whoever runs the queue has a way off chain. Default true. */
  readonly hasCarrier?: boolean;
  /** Refuses a message before it is stored. */
  readonly check?: (record: UnnumberedRecord) => Promise<void>;
  /** Takes it back while it waits to be stored, be it behind others to the same recipient. */
  readonly signal?: AbortSignal;
}

/** A message in the queue. */
export interface Queued {
  readonly sendId: SendId;
  readonly nonce: bigint;
}

/**
 * Stores a message for the outbox that works on the queue, now or later; needs no chain, so it works offline. Whether the
 * recipient is registered shows when it goes. Messages to a recipient are queued in the order of the calls, and those of the
 * same time together, so that many take no longer than one after another. Throws no-account, off-chain-only-v1, from-self, bad-value,
 * aborted before it is stored.
 */
export async function queueMessage(options: QueueMessageOptions, message: SendMessage): Promise<Queued> {
  const { vault, store, genesisHash, account, hasCarrier = true, check, signal, now = Date.now } = options;
  const {
    to,
    body,
    suite = 'v1',
    as = 'worker',
    via = 'auto',
    nonce: given,
    maxFee,
    freshKey = false,
    readReceipt = false,
    deliveryReceipt = false,
  } = message;
  checkValue('suite', ['v1'].includes(suite), 'v1');
  checkValue('as', senders.includes(as), senders.join(' or '));
  checkValue('via', ways.includes(via), ways.join(' or '));
  if (given !== undefined) checkU64('nonce', given);
  checkMaxFee(maxFee);
  if (as === 'account' && via === 'relay')
    throw new RelayError('off-chain-only-v1', { details: { reason: 'the sender is an account' } });
  if (as === 'worker' && to.toLowerCase() === vault.identity) throw new RelayError('from-self');
  if (readReceipt && (freshKey || as === 'account'))
    throw new RelayError('bad-value', {
      details: {
        what: 'readReceipt',
        reason: 'nobody could read the answer: it goes to the key of a worker that is kept',
      },
    });
  if (deliveryReceipt && (as === 'account' || via === 'chain'))
    throw new RelayError('bad-value', {
      details: { what: 'deliveryReceipt', reason: 'relays tell it, and it goes on chain' },
    });
  const route = firstRoute({ as, via }, hasCarrier);
  if (route !== 'relay' && account === undefined) throw new RelayError('no-account');
  const from = as === 'account' && account !== undefined ? { account: account.id } : {};
  const channel = { fromKind: as, from: from.account ?? vault.identity, to } as const;
  // The caller may use its bytes for something else by the time that it is this one's turn.
  const copy = encodeBody(body);
  const bodyBytes = copy.length;
  const own = decodeBody(copy, true);
  const record: UnnumberedRecord = {
    ...{ suite: 'v1', to, as, via, bodyBytes, queuedAt: now(), maxFee, ...from },
    ...{ freshKey, readReceipt, deliveryReceipt },
    progress: { state: 'queued' },
  };
  const make = async (nonce: bigint): Promise<NewMessage> => {
    const kept = await vault.keep({ genesisHash, to, ...from, nonce, body: own });
    return { record: { ...record, nonce }, body: kept, route };
  };
  const newcomer =
    given === undefined
      ? { bytes: bodyBytes, nonces: { key: nonceKey(channel), clock: options }, make }
      : { bytes: bodyBytes, make: () => make(given) };
  try {
    const { sendId, nonce } = await appendGroupOf(store).add(newcomer, check?.(record), signal);
    return { sendId, nonce: given ?? nonce };
  } finally {
    copy.fill(0);
  }
}
