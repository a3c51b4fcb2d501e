import { Type, type Static } from 'typebox';

const text = (description: string) => Type.String({ description });
const ids = (description: string) => Type.Array(Type.String(), { title: 'id', description, default: [] });
const urls = (description: string, fallback?: readonly string[]) =>
  Type.Array(Type.String(), { title: 'url', description, ...(fallback === undefined ? {} : { default: fallback }) });

/** Every setting with its unit and default; flags, environment and file are checked against it. */
export const settingsSchema = Type.Object({
  ws: urls('Endpoints of the node, ws:// or wss://; several for failover', ['ws://127.0.0.1:9944']),
  genesis: Type.Optional(text('Genesis hash that the chain must have; default: that of the first endpoint')),
  quorum: Type.Optional(
    Type.Integer({
      description:
        'Endpoints that must agree on a finalized block where that counts; default: 2, or 1 with one endpoint',
      minimum: 1,
    }),
  ),
  vault: Type.Optional(text('File of the vault')),
  data: Type.Optional(text('Folder for cursors, queues and mailboxes; default: the path of the vault with .data')),
  finality: Type.Enum(['finalized', 'best'], {
    description: 'Blocks that count: finalized, or best, which a reorg may take back',
    default: 'finalized',
  }),
  verify: Type.Enum(['auto', 'always', 'never'], {
    description:
      'Whether workers and messages are read by proofs against the state root: where the node can, or else not at all, or not',
    default: 'auto',
  }),
  onGap: Type.Enum(['stop', 'skip'], {
    description: 'What to do about blocks of which no endpoint has the state any more',
    default: 'stop',
  }),
  timeout: Type.Number({
    description: 'Seconds to wait for an endpoint that does not answer',
    default: 10,
    exclusiveMinimum: 0,
  }),
  listen: Type.String({ description: 'Address and port of the relay', default: '127.0.0.1:8710' }),
  metricsListen: Type.Optional(text('Address and port of /metrics, which is then nowhere else')),
  publicUrl: urls('URLs under which the relay is reached from outside; default: the address it listens on', []),
  relay: urls('Relays whose mailbox is read too', []),
  forwarder: urls('Relays that hand on what no endpoint of the recipient takes from here', []),
  recipient: ids('Identities whose mail the relay keeps beside that of workers whose endpoints name it'),
  allow: ids('Senders that the relay takes messages from; default: all'),
  deny: ids('Senders that the relay takes nothing from'),
  registeredOnly: Type.Boolean({ description: 'Take messages from registered workers only', default: false }),
  tlsCert: Type.Optional(text('File of the certificate and its chain, PEM; read again on SIGHUP')),
  tlsKey: Type.Optional(text('File of its key, PEM')),
  trustProxy: Type.Array(Type.String(), {
    description: 'Addresses or CIDR ranges of proxies whose X-Forwarded-For is believed',
    default: [],
  }),
  retention: Type.Number({
    description: 'Days for which a message waits for its recipient',
    default: 30,
    exclusiveMinimum: 0,
  }),
  mailboxMessages: Type.Integer({ description: 'Messages that one mailbox holds', default: 100_000, minimum: 1 }),
  mailboxMegabytes: Type.Number({ description: 'MiB that one mailbox holds', default: 256, exclusiveMinimum: 0 }),
  mailboxSenderPart: Type.Number({
    description: 'Part of a mailbox that one sender may fill',
    default: 0.25,
    exclusiveMinimum: 0,
    maximum: 1,
  }),
  mailboxStrangerPart: Type.Number({
    description:
      'From here on a mailbox takes only messages of registered workers and of those that --allow or --recipient names',
    default: 0.5,
    exclusiveMinimum: 0,
    maximum: 1,
  }),
  mailGigabytes: Type.Optional(
    Type.Number({
      description: 'GiB that all mailboxes hold; default: 64 with lmdb, what NATS gives with jetstream',
      exclusiveMinimum: 0,
    }),
  ),
  forward: Type.Enum(['on', 'registered', 'off'], {
    description: "Whether messages for other relays' recipients are taken: from all, from registered workers, or not",
    default: 'on',
  }),
  forwardGigabytes: Type.Optional(
    Type.Number({
      description: 'GiB that wait for other relays; default: 8 with lmdb, what NATS gives with jetstream',
      exclusiveMinimum: 0,
    }),
  ),
  forwardMessages: Type.Integer({
    description: 'Messages that wait for one recipient at other relays, of all senders together',
    default: 100_000,
    minimum: 1,
  }),
  forwardMegabytes: Type.Number({
    description: 'MiB that wait for one recipient at other relays, of all senders together',
    default: 256,
    exclusiveMinimum: 0,
  }),
  limit: Type.Array(Type.String(), { description: 'NAME=VALUE: a limit of the relay, see below', default: [] }),
  verifyThreads: Type.Optional(
    Type.Integer({
      description: 'Threads that verify signatures; default: one less than the machine runs at once',
      minimum: 0,
      maximum: 64,
    }),
  ),
  store: Type.Enum(['lmdb', 'jetstream'], {
    description: 'Where the relay keeps mailboxes: in --data, or in NATS for several relays',
    default: 'lmdb',
  }),
  durability: Type.Enum(['disk', 'os'], {
    description: 'lmdb answers when messages are on the disk, or when the system has them, which a power cut may lose',
    default: 'disk',
  }),
  nats: urls('Servers of NATS for --store jetstream, nats:// or tls://', []),
  natsCredentials: Type.Optional(text('File with the credentials of NATS: a .creds file, or an nkey seed')),
  natsCa: Type.Optional(
    text('PEM file with the authority that signed the certificates of NATS; default: the public ones'),
  ),
  natsCert: Type.Optional(text('PEM file with our own certificate for NATS')),
  natsKey: Type.Optional(text('PEM file with the key of that certificate')),
  natsReplicas: Type.Optional(
    Type.Integer({
      description: 'Copies of each message in NATS; default: 3 in a cluster, else 1, or what the streams have',
      minimum: 1,
      maximum: 5,
    }),
  ),
  allowPrivate: Type.Optional(
    Type.Boolean({
      description:
        'Follow endpoints on loopback and private addresses, and a relay those on its own machine; default: where a development chain is reached on one',
    }),
  ),
  acknowledge: Type.Boolean({
    description: 'Tell senders with an empty reply that their message was read; it shows that somebody is there',
    default: false,
  }),
  onInvoke: Type.Optional(
    text('Program that answers invocations: reads {"from","to","input",…} as JSON, prints the answer; no shell'),
  ),
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
