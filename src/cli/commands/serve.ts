import type { Command } from 'commander';
import type { Logger } from 'pino';
import type { Chain } from '../../chain/index.ts';
import { isRelayError, type RelayError } from '../../errors/index.ts';
import type { Inbox } from '../../inbox/index.ts';
import { createRelay, type Relay } from '../../relay/index.ts';
import type { Vault } from '../../vault/index.ts';
import { watchWorkerState } from '../../worker-state/index.ts';
import { checkServeSettings } from '../check-serve-settings.ts';
import { action, command, withAccount, type Context } from '../command.ts';
import { keepWorkerState, type KeptWorkerState } from '../keep-worker-state.ts';
import { cliLogger } from '../logger.ts';
import { inboxOf } from '../local-inbox.ts';
import { onHangup } from '../interruption.ts';
import { endOfStores, openMailStore } from '../mail-store.ts';
import { relayOptionsOf, tlsOf } from '../relay-settings.ts';
import { serveEntity } from '../serve-entity.ts';
import type { Settings } from '../settings.ts';
import type { SuriFlags } from '../secrets.ts';
import { dataFolder, mayReachPrivate, openChain, openData, optionalAccount, verified } from '../session.ts';
import { required } from '../resolve-settings.ts';
import { unlockVault } from '../unlock-vault.ts';

interface Flags extends SuriFlags {
  readonly from?: string;
}

export function serveCommand(description: string): Command {
  const made = command('serve', description, [
    ...(['ws', 'genesis', 'quorum', 'verify', 'vault', 'listen', 'metricsListen', 'publicUrl', 'data'] as const),
    ...(['store', 'durability', 'nats', 'natsCredentials', 'natsCa', 'natsCert', 'natsKey', 'natsReplicas'] as const),
    ...(['recipient', 'allow', 'deny', 'registeredOnly', 'tlsCert', 'tlsKey', 'trustProxy'] as const),
    ...(['retention', 'mailboxMessages', 'mailboxMegabytes', 'mailboxSenderPart', 'mailboxStrangerPart'] as const),
    ...(['mailGigabytes', 'limit', 'verifyThreads'] as const),
    ...(['forward', 'forwardGigabytes', 'forwardMessages', 'forwardMegabytes'] as const),
    ...(['finality', 'onGap', 'allowPrivate', 'timeout', 'logLevel', 'rotateEvery', 'keepEpochs'] as const),
    ...(['acknowledge', 'onInvoke'] as const),
  ]).option('--from <block>', 'first block to read messages from, where nothing was read before');
  return withAccount(made).action(action(0, serve));
}

async function serve(context: Context<Flags>): Promise<void> {
  const { settings, flags, signal } = context;
  checkServeSettings(settings, { ...flags });
  const options = relayOptionsOf(settings);
  const vault = settings.vault === undefined ? undefined : await unlockVault(settings);
  try {
    const logger = cliLogger(settings);
    await using chain = await openChain(settings, signal, logger);
    const begin = () => watchWorkerState(chain, { ...verified(settings), logger });
    await using watch = await keepWorkerState({ begin, logger, signal });
    await run(context, { chain, watch, vault, options });
  } catch (error) {
    // Ended by its user before it was ready.
    if (!signal.aborted || !isRelayError(error, 'aborted')) throw error;
  } finally {
    await vault?.close();
  }
}

interface Parts {
  readonly chain: Chain;
  readonly watch: KeptWorkerState;
  readonly vault: Vault | undefined;
  readonly options: ReturnType<typeof relayOptionsOf>;
}

async function run(context: Context<Flags>, { chain, watch, vault, options }: Parts): Promise<void> {
  const { settings, flags, output, interrupted } = context;
  const account = vault === undefined ? undefined : optionalAccount(flags);
  const logger = cliLogger(settings);
  const folder = vault === undefined ? required(settings, 'data') : dataFolder(settings, vault);
  await using data = await openData(folder, chain, 'inbox');
  await using mailStore = await openMailStore({ settings, chain, folder: data.folder, use: 'mail', logger });
  await using forwardStore =
    settings.forward === 'off'
      ? undefined
      : await openMailStore({ settings, chain, folder: data.folder, use: 'forward', logger });
  const onNotice = ({ code, message, remedy }: RelayError): void => {
    logger.info({ code, remedy }, message);
  };
  const read = { chain, data, watch, settings, from: flags.from, onNotice };
  const inbox = vault === undefined ? undefined : inboxOf({ ...read, vault });
  await using _inbox = inbox;
  await inbox?.start();
  await using relay = createRelay({
    ...options,
    genesisHash: chain.genesisHash,
    mailStore,
    ...(forwardStore !== undefined && { forwardStore }),
    forwardFor: settings.forward === 'registered' ? 'registered' : 'all',
    workerState: watch.state,
    ...(inbox === undefined || vault === undefined ? {} : { local: localEntity(vault, inbox) }),
    allowPrivate: mayReachPrivate(settings, chain),
    logger,
  });
  await relay.start();
  using _certificate = keepCertificate(relay, settings, logger);
  const { url, metricsUrl } = relay;
  const place = { url, ...(metricsUrl !== url && { metricsUrl }), identity: vault?.identity };
  const tellReady = (): void => {
    output.print({ event: 'ready', ...place }, `Relay ready at ${url}.`);
  };
  const end = Promise.race([interrupted, endOfStores(mailStore, forwardStore)]);
  const ended = new AbortController();
  const untilEnd = end.then(() => {
    ended.abort();
  });
  let unread: RelayError | undefined;
  if (inbox === undefined || vault === undefined) tellReady();
  else {
    const own = { chain, watch, vault, account, data, inbox, relay, logger, place, tellReady };
    unread = await serveEntity({ settings, output, signal: ended.signal, end: untilEnd }, own);
  }
  const failure = (await end) ?? unread;
  if (failure !== undefined) throw failure;
}

function localEntity(vault: Vault, inbox: Inbox) {
  return { identity: vault.identity, vault, accept: inbox.accept.bind(inbox) };
}

/** SIGHUP reads the certificate again; one that can not be used is told, and the old one stays. */
function keepCertificate(relay: Relay, settings: Settings, logger: Logger): Disposable | undefined {
  if (settings.tlsCert === undefined) return undefined;
  return onHangup(() => {
    try {
      const tls = tlsOf(settings);
      if (tls !== undefined) relay.renewTls(tls);
      logger.info('the certificate was read again');
    } catch (error) {
      logger.error({ err: error }, 'the certificate stays as it was');
    }
  });
}
