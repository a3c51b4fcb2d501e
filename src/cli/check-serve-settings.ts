import { RelayError } from '../errors/index.ts';
import type { LimitName } from '../relay/index.ts';
import { flagOf, settingsSchema, type SettingName, type Settings } from './settings.ts';

const ofJetStream = ['nats', 'natsCredentials', 'natsCa', 'natsCert', 'natsKey', 'natsReplicas'] as const;

const ofForwarding = ['forwardGigabytes', 'forwardMessages', 'forwardMegabytes'] as const;
const limitsOfForwarding = ['maxForwardQueues', 'maxTunnels'] as const satisfies LimitName[];

const ofEntity: ReadonlySet<string> = new Set([
  ...['from', 'suri', 'suriFd'],
  ...(['finality', 'onGap', 'onInvoke', 'acknowledge', 'rotateEvery', 'keepEpochs'] satisfies SettingName[]),
]);

/**
 * Whether what `serve` is told of its store and of what it forwards, wherever it is set, and by `flags` of its entity has an
 * effect: in the environment and in a file an entity's settings are for other commands too. Throws bad-setting.
 */
export function checkServeSettings(settings: Settings, flags: Readonly<Record<string, unknown>>): void {
  checkStore(settings);
  checkForwarding(settings);
  const idle = settings.vault === undefined ? Object.keys(flags).find((name) => ofEntity.has(name)) : undefined;
  if (idle !== undefined) throw badSetting(idle, 'it is for an entity of its own, which --vault names');
}

function checkStore(settings: Settings): void {
  const { store, durability, nats, natsCert, natsKey } = settings;
  if (store === 'lmdb') {
    const idle = ofJetStream.find((name) => settings[name] !== undefined && (name !== 'nats' || nats.length > 0));
    if (idle !== undefined) throw badSetting(idle, 'it needs --store jetstream');
    return;
  }
  if (nats.length === 0) throw badSetting('nats', '--store jetstream needs at least one server');
  if ((natsCert === undefined) !== (natsKey === undefined))
    throw badSetting('natsCert', 'certificate and key go together');
  if (durability === 'os') throw badSetting('durability', 'with --store jetstream the disks are those of NATS');
}

function checkForwarding(settings: Settings): void {
  if (settings.forward !== 'off') return;
  const reason = 'with --forward off nothing is forwarded';
  const idle = ofForwarding.find((name) => settings[name] !== defaultOf(name));
  if (idle !== undefined) throw badSetting(idle, reason);
  const limit = limitsOfForwarding.find((name) => settings.limit.some((given) => given.startsWith(`${name}=`)));
  if (limit !== undefined) throw new RelayError('bad-setting', { details: { name: `limit ${limit}`, reason } });
}

function defaultOf(name: (typeof ofForwarding)[number]): number | undefined {
  const schema = settingsSchema.properties[name];
  return 'default' in schema ? schema.default : undefined;
}

function badSetting(name: string, reason: string): RelayError {
  return new RelayError('bad-setting', { details: { name: flagOf(name), reason } });
}
