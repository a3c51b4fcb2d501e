import { Type, type Static } from 'typebox';

const text = (description: string) => Type.String({ description });
const urls = (description: string, fallback?: readonly string[]) =>
  Type.Array(Type.String(), { description, ...(fallback === undefined ? {} : { default: fallback }) });

/** Every setting with its unit and default; flags, environment and file are checked against it. */
export const settingsSchema = Type.Object({
  ws: urls('Endpoints of the node, ws:// or wss://; several for failover', ['ws://127.0.0.1:9944']),
  genesis: Type.Optional(text('Genesis hash that the chain must have; default: that of the first endpoint')),
  vault: Type.Optional(text('File of the vault')),
  data: Type.Optional(text('Folder for cursors, queues and mailboxes; default: the path of the vault with .data')),
  finality: Type.Enum(['finalized', 'best'], {
    description: 'Blocks that count: finalized, or best, which a reorg may take back',
    default: 'finalized',
  }),
  timeout: Type.Number({
    description: 'Seconds to wait for an endpoint that does not answer',
    default: 10,
    exclusiveMinimum: 0,
  }),
  listen: Type.String({ description: 'Address and port of the relay', default: '127.0.0.1:8710' }),
  publicUrl: urls('URLs under which the relay is reached from outside; default: the address it listens on', []),
  relay: urls('Relays whose mailbox is read too', []),
  store: Type.Enum(['lmdb'], { description: 'Where the relay keeps mailboxes', default: 'lmdb' }),
  allowPrivate: Type.Boolean({
    description: 'Follow endpoints on loopback and private addresses though the chain is not local',
    default: false,
  }),
  requireProven: Type.Boolean({ description: 'Refuse EcdhKeys that no record proves', default: false }),
  rotateEvery: Type.Number({
    description: 'Days after which listen and serve replace the EcdhKey; 0: never. Needs an account that pays',
    default: 30,
    minimum: 0,
  }),
  keepEpochs: Type.Number({
    description: 'Days for which a replaced EcdhKey still opens messages before it is erased',
    default: 30,
    minimum: 0,
  }),
  logLevel: Type.Enum(['silent', 'error', 'warn', 'info', 'debug'], {
    description: 'What goes to stderr',
    default: 'warn',
  }),
});

export type Settings = Static<typeof settingsSchema>;
export type SettingName = keyof Settings;

/** `publicUrl` as `public-url`. */
export function flagOf(name: SettingName): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** `publicUrl` as `KHALA_RELAY_PUBLIC_URL`. */
export function variableOf(name: SettingName): string {
  return `KHALA_RELAY_${flagOf(name).replaceAll('-', '_').toUpperCase()}`;
}
