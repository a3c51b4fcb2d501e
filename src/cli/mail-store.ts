import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from 'pino';
import type { Chain } from '../chain/index.ts';
import { RelayError } from '../errors/index.ts';
import { openJetStreamMailStore, openLmdbMailStore, type MailStore } from '../store/index.ts';
import { forwardQuotaOf, mailboxOptionsOf } from './relay-settings.ts';
import { timeoutMs } from './session.ts';
import { flagOf, type Settings } from './settings.ts';

export interface MailStoreUse {
  readonly settings: Settings;
  readonly chain: Pick<Chain, 'genesisHash'>;
  /** Of the LMDB environments. */
  readonly folder: string;
  /** Mailboxes, or the queue towards other relays. */
  readonly use: 'mail' | 'forward';
  readonly logger: Logger;
}

// Of the genesis hash: relays of several chains may share one NATS.
const chainDigits = 16;

/** The store that the settings name. Throws mail-store-failed, nats-failed, bad-setting. */
export async function openMailStore({ settings, chain, folder, use, logger }: MailStoreUse): Promise<MailStore> {
  const { store, durability, nats, natsReplicas: replicas } = settings;
  const mailbox = use === 'mail' ? mailboxOptionsOf(settings) : { quota: forwardQuotaOf(settings) };
  const onBackgroundFailure = (error: RelayError): void => {
    logger.warn({ err: error, store: use }, 'work on the store failed');
  };
  if (store === 'lmdb') {
    return openLmdbMailStore({ path: join(folder, use), durability, onBackgroundFailure, ...mailbox });
  }
  const [credentials, ca, cert, key] = await Promise.all([
    read(settings, 'natsCredentials'),
    read(settings, 'natsCa'),
    read(settings, 'natsCert'),
    read(settings, 'natsKey'),
  ]);
  const tls = {
    ...(ca !== undefined && { ca: ca.toString() }),
    ...(cert !== undefined && { cert: cert.toString() }),
    ...(key !== undefined && { key: key.toString() }),
  };
  return openJetStreamMailStore({
    name: `${chain.genesisHash.slice(2, 2 + chainDigits)}-${use}`,
    nats: {
      servers: nats,
      connectTimeoutMs: timeoutMs(settings),
      ...(credentials !== undefined && { credentials }),
      ...(Object.keys(tls).length > 0 && { tls }),
    },
    ...(replicas !== undefined && { replicas }),
    onBackgroundFailure,
    ...mailbox,
  });
}

/** Resolves with why one of them can not be used any more: without it a relay is of no use, and may be started anew. */
export function endOfStores(...stores: readonly (Pick<MailStore, 'ended'> | undefined)[]): Promise<RelayError> {
  return Promise.race(stores.map((store) => store?.ended ?? new Promise<never>(() => undefined)));
}

async function read(settings: Settings, name: 'natsCredentials' | 'natsCa' | 'natsCert' | 'natsKey') {
  const path = settings[name];
  if (path === undefined) return undefined;
  return readFile(path).catch((cause: unknown) => {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new RelayError('bad-setting', { details: { name: flagOf(name), reason } });
  });
}
