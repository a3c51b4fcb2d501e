import type { Command } from 'commander';
import {
  catchError,
  EMPTY,
  firstValueFrom,
  filter,
  merge,
  share,
  Subscription,
  takeUntil,
  tap,
  from as fromPromise,
  type Observable,
} from 'rxjs';
import type { Chain } from '../../chain/index.ts';
import { isLocalFailure, isRelayError } from '../../errors/index.ts';
import type { Inbox } from '../../inbox/index.ts';
import { createRelayClient, feedFromMailbox, type MailboxEvent } from '../../relay/index.ts';
import type { Vault } from '../../vault/index.ts';
import { watchWorkerState } from '../../worker-state/index.ts';
import { action, command, withAccount, type Context } from '../command.ts';
import { answeringOf } from '../answering.ts';
import { keepEntry } from '../keep-entry.ts';
import { inboxOf } from '../local-inbox.ts';
import { messageCount } from '../parse-number.ts';
import { printInbox } from '../print-inbox.ts';
import type { SuriFlags } from '../secrets.ts';
import { stderrLogger } from '../stderr-logger.ts';
import { dataFolder, mayReachPrivate, openChain, openData, optionalAccount, timeoutMs, verified } from '../session.ts';
import { tellNotice } from '../tell-notice.ts';
import { unlockVault } from '../unlock-vault.ts';
import { warn } from '../warn.ts';

interface Flags extends SuriFlags {
  readonly from?: string;
  readonly count?: string;
}

export function listenCommand(description: string): Command {
  const made = command('listen', description, [
    ...(['ws', 'genesis', 'quorum', 'verify', 'vault', 'data', 'finality', 'onGap'] as const),
    ...(['relay', 'retention', 'allowPrivate', 'timeout'] as const),
    ...(['rotateEvery', 'keepEpochs', 'acknowledge', 'onInvoke'] as const),
  ])
    .option('--from <block>', 'first block to read where nothing was read before, or head: from now on (default)')
    .option('--count <n>', 'end after this many messages');
  return withAccount(made).action(action(0, listen));
}

async function listen({ settings, flags, output, signal, interrupted }: Context<Flags>): Promise<void> {
  const account = optionalAccount(flags);
  const count = flags.count === undefined ? undefined : messageCount(flags.count);
  await using vault = await unlockVault(settings);
  await using chain = await openChain(settings, signal);
  await using watch = watchWorkerState(chain, { logger: stderrLogger, ...verified(settings) });
  const isReady = await Promise.race([watch.ready.then(() => true), interrupted.then(() => false)]);
  if (!isReady) return;
  await using data = await openData(dataFolder(settings, vault), chain, 'inbox');
  await using inbox = inboxOf({ chain, vault, data, watch, settings, from: flags.from, onNotice: tellNotice });
  await inbox.start();
  await using client = createRelayClient({
    genesisHash: chain.genesisHash,
    allowPrivate: mayReachPrivate(settings, chain),
    timeoutMs: timeoutMs(settings),
  });
  const { answer, cameBy } = answeringOf({ chain, vault, data, watch, client, settings, warn, signal });
  let left = settings.relay.length;
  const feeds = settings.relay.map((url) =>
    tellOf(url, feed(client, url, chain, vault, inbox)).pipe(
      // One that is closed to us, or of another chain, ends none of the others.
      catchError((error: unknown) => {
        left -= 1;
        if (left === 0 || !isRelayError(error) || isLocalFailure(error)) throw error;
        warn(`${url} is not read any more: ${error.message} [${error.code}] ${error.remedy}`);
        return EMPTY;
      }),
      tap((event) => {
        if (event.type === 'accepted') cameBy(event.messageId, url);
      }),
      // One that ended is not begun anew by who looks later whether it is ready.
      share({ resetOnError: false, resetOnComplete: false }),
    ),
  );
  const mailboxes = merge(...feeds).pipe(takeUntil(fromPromise(interrupted)), share());
  const reading = new Subscription();
  // Before the vault and the client are closed under it.
  using _reading = { [Symbol.dispose]: () => reading.unsubscribe() };
  const failed = new Promise<never>((_, reject) => {
    reading.add(mailboxes.subscribe({ error: reject }));
  });
  const relaysReady = feeds.map((events) =>
    firstValueFrom(events.pipe(filter(({ type }) => type === 'ready')), { defaultValue: undefined }),
  );
  let isRead = false;
  const allRead = Promise.all([inbox.ready, ...relaysReady]).then(() => {
    isRead = true;
  });
  allRead.catch(() => undefined); // told by tellReady
  await using _presence = keepEntry({ chain, vault, data, settings, account, output, warn, isRead: () => isRead });
  const tellReady = async (): Promise<void> => {
    await allRead.catch((error: unknown) => {
      if (!signal.aborted) throw error;
    });
    if (!signal.aborted) output.print({ event: 'ready', identity: vault.identity }, `Listening for ${vault.identity}.`);
  };
  const limit = count === undefined ? {} : { count };
  // What came is printed at once: a relay that is down holds up the word that nothing would be missed, and nothing else.
  const printing = printInbox(inbox, output, { until: interrupted, warn, answer, ...limit });
  await Promise.race([printing, failed, tellReady().then(() => printing)]);
}

function feed(
  client: ReturnType<typeof createRelayClient>,
  url: string,
  { genesisHash }: Chain,
  vault: Vault,
  inbox: Inbox,
): Observable<MailboxEvent> {
  const accept = inbox.accept.bind(inbox);
  return feedFromMailbox({ client, genesisHash, url, local: { identity: vault.identity, vault, accept } });
}

/** Says on stderr what a person at the terminal wants to know of a mailbox. */
function tellOf(url: string, events: Observable<MailboxEvent>): Observable<MailboxEvent> {
  return events.pipe(
    filter((event) => {
      if (event.type === 'lost') warn(`${url} is away: ${event.error.message}`);
      if (event.type === 'refused') warn(`${url} gave a message that is refused [${event.error.code}]`);
      if (event.type === 'held') warn(`${url} keeps a message that can not be read yet`, event.error);
      return true;
    }),
  );
}
