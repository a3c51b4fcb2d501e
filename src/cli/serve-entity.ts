import type { Logger } from 'pino';
import type { Account, Chain } from '../chain/index.ts';
import { asRelayError, type RelayError } from '../errors/index.ts';
import type { Inbox } from '../inbox/index.ts';
import { createRelayClient, type Relay } from '../relay/index.ts';
import type { Vault } from '../vault/index.ts';
import { answeringOf } from './answering.ts';
import { carryQueue } from './carry-queue.ts';
import type { Context } from './command.ts';
import { keepEntry } from './keep-entry.ts';
import type { KeptWorkerState } from './keep-worker-state.ts';
import type { JsonEvent } from './output.ts';
import { printInbox } from './print-inbox.ts';
import { mayReachPrivate, timeoutMs, type EntityData } from './session.ts';
import { warnBy } from './warn.ts';

export interface OwnEntity {
  readonly chain: Chain;
  readonly watch: KeptWorkerState;
  readonly vault: Vault;
  /** Pays for its entry on chain. */
  readonly account: Account | undefined;
  readonly data: EntityData;
  /** Started. */
  readonly inbox: Inbox;
  readonly relay: Relay;
  readonly logger: Logger;
  /** What is printed of the relay. */
  readonly place: JsonEvent;
  /** Tells that nothing sent from now on would be missed. */
  readonly tellReady: () => void;
}

interface Surroundings extends Pick<Context<object>, 'settings' | 'output'> {
  /** Aborts as `end` resolves. */
  readonly signal: AbortSignal;
  /** Resolves when `serve` is to end. */
  readonly end: Promise<void>;
}

/**
 * What `serve` does for the entity of its vault until its `end`: prints and answers its messages, carries its queue, and
 * keeps its entry. Where the inbox ends, before it is ready or later, that is told, and the rest goes on, as the relay does for
 * others, who have no part in it. Gives then why it ended.
 */
export async function serveEntity(
  { settings, output, signal, end }: Surroundings,
  own: OwnEntity,
): Promise<RelayError | undefined> {
  const { chain, inbox, logger, place } = own;
  const warn = warnBy(logger);
  let isRead = false;
  await using _presence = keepEntry({ ...own, settings, output, warn, isRead: () => isRead });
  await using client = createRelayClient({
    genesisHash: chain.genesisHash,
    allowPrivate: mayReachPrivate(settings, chain),
    timeoutMs: timeoutMs(settings),
  });
  await using _queue = carryQueue({ ...own, client, settings });
  const { answer } = answeringOf({ ...own, client, settings, warn, signal });
  try {
    await Promise.race([inbox.ready, end]);
    if (signal.aborted) return undefined;
    isRead = true;
    own.tellReady();
    await printInbox(inbox, output, { until: end, warn, answer });
    return undefined;
  } catch (error) {
    isRead = false;
    const failure = asRelayError(error, 'relay-failed');
    logger.error({ err: failure }, 'messages to the relay itself are not read any more; it goes on for the others');
    output.print(
      { event: 'inbox-ended', code: failure.code, ...place },
      `Messages to the relay itself are not read any more: ${failure.message}`,
    );
    await end;
    return failure;
  }
}
