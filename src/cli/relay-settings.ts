import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { RelayError } from '../errors/index.ts';
import { limitsSchema, type LimitName, type RelayLimits, type RelayOptions } from '../relay/index.ts';
import type { MailQuota } from '../store/index.ts';
import { parseId } from './parse-id.ts';
import type { Settings } from './settings.ts';

const dayMs = 86_400_000;
const defaultForwardGigabytes = 8;

type Tls = NonNullable<RelayOptions['tls']>;

/** What `serve` takes of the settings as a relay takes it. Throws bad-setting, bad-id. */
export function relayOptionsOf(settings: Settings) {
  const { allow, deny, registeredOnly, metricsListen, publicUrl, trustProxy, verifyThreads } = settings;
  const tls = tlsOf(settings);
  return {
    listen: parseListen('listen', settings.listen),
    ...(metricsListen !== undefined && { metricsListen: parseListen('metricsListen', metricsListen) }),
    publicUrls: publicUrl,
    recipients: settings.recipient.map(parseId),
    access: {
      ...(allow.length > 0 && { allow: allow.map(parseId) }),
      deny: deny.map(parseId),
      registeredOnly,
    },
    ...(tls !== undefined && { tls }),
    ...(trustProxy.length > 0 && { trustProxy }),
    forwardQuota: {
      maxCount: settings.forwardMessages,
      maxBytes: settings.forwardMegabytes * 2 ** 20,
      strangerPart: settings.mailboxStrangerPart,
    },
    limits: limitsOf(settings.limit),
    verifyThreads: verifyThreads ?? availableParallelism() - 1,
  } satisfies Partial<RelayOptions>;
}

/** How long and how much a mailbox keeps. */
export function mailboxOptionsOf(settings: Settings): { readonly retentionMs: number; readonly quota: MailQuota } {
  const { retention, mailGigabytes } = settings;
  return {
    retentionMs: retention * dayMs,
    quota: {
      ...boxQuotaOf(settings),
      ...(mailGigabytes !== undefined && { maxTotalBytes: mailGigabytes * 2 ** 30 }),
    },
  };
}

/** How much waits for other relays: in all, and for one recipient of one sender, which is bounded over all senders too. */
export function forwardQuotaOf(settings: Settings): MailQuota {
  const { forwardGigabytes, store, forwardMessages, forwardMegabytes } = settings;
  const gigabytes = forwardGigabytes ?? (store === 'lmdb' ? defaultForwardGigabytes : undefined);
  const box = { ...boxQuotaOf(settings), maxCount: forwardMessages, maxBytes: forwardMegabytes * 2 ** 20 };
  return { ...box, ...(gigabytes !== undefined && { maxTotalBytes: gigabytes * 2 ** 30 }) };
}

function boxQuotaOf(settings: Settings): MailQuota {
  const { mailboxMessages, mailboxMegabytes, mailboxSenderPart, mailboxStrangerPart } = settings;
  return {
    maxCount: mailboxMessages,
    maxBytes: mailboxMegabytes * 2 ** 20,
    senderPart: mailboxSenderPart,
    strangerPart: mailboxStrangerPart,
  };
}

/** The files as they are now; undefined where none is named. Throws bad-setting. */
export function tlsOf({ tlsCert, tlsKey }: Settings): Tls | undefined {
  if (tlsCert === undefined && tlsKey === undefined) return undefined;
  if (tlsCert === undefined) throw badSetting('tlsCert', 'it is needed beside tlsKey');
  if (tlsKey === undefined) throw badSetting('tlsKey', 'it is needed beside tlsCert');
  return { cert: readPem('tlsCert', tlsCert), key: readPem('tlsKey', tlsKey) };
}

/** `NAME=VALUE` each; a rate is PER_SECOND/BURST. createRelay checks the values. */
function limitsOf(given: readonly string[]): Partial<RelayLimits> {
  const limits: Partial<Record<LimitName, RelayLimits[LimitName]>> = {};
  for (const text of given) {
    const [name = '', ...rest] = text.split('=');
    const value = rest.join('=');
    if (!isLimit(name)) throw badSetting('limit', `there is none named ${name.slice(0, 80)}`);
    if (limits[name] !== undefined) throw badSetting(`limit ${name}`, 'it is given twice');
    limits[name] = limitsSchema.properties[name].type === 'object' ? rateOf(name, value) : numberOf(name, value);
  }
  return limits as Partial<RelayLimits>;
}

function isLimit(name: string): name is LimitName {
  return Object.hasOwn(limitsSchema.properties, name);
}

function rateOf(name: string, value: string) {
  const [perSecond = '', burst = '', ...more] = value.split('/');
  if (more.length > 0 || burst === '') throw badSetting(`limit ${name}`, 'it is not PER_SECOND/BURST');
  return { perSecond: numberOf(name, perSecond), burst: numberOf(name, burst) };
}

function numberOf(name: string, value: string): number {
  if (!/^[0-9]+(\.[0-9]+)?$/.test(value)) throw badSetting(`limit ${name}`, 'it is not a number');
  return Number(value);
}

function readPem(name: string, path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw badSetting(name, error instanceof Error ? error.message : String(error));
  }
}

function parseListen(name: string, address: string): { readonly host: string; readonly port: number } {
  const [, host, port] = /^(.+):([0-9]{1,5})$/.exec(address) ?? [];
  if (host === undefined || port === undefined || Number(port) > 65_535)
    throw badSetting(name, 'it is not ADDRESS:PORT');
  return { host: host.replace(/^\[(.*)\]$/, '$1'), port: Number(port) };
}

function badSetting(name: string, reason: string): RelayError {
  return new RelayError('bad-setting', { details: { name, reason } });
}
