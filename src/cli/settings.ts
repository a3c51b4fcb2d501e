const string = { type: 'string' } as const;
const text = (description: string) => ({ ...string, description }) as const;
const list = (title: string, description: string, fallback: readonly string[] = []) =>
  ({ type: 'array', items: string, title, description, default: fallback }) as const;
const ids = (description: string) => list('id', description);
const urls = (description: string, fallback?: readonly string[]) => list('url', description, fallback);

/** Every setting with its unit and default, as JSON Schema; flags, environment and file are checked against it. */
const properties = {
  ws: urls('Endpoints of the node, ws:// or wss://; several for failover', ['ws://127.0.0.1:9944']),
  genesis: text('Genesis hash that the chain must have; default: that of the first endpoint'),
  quorum: {
    type: 'integer',
    description: 'Endpoints that must agree on a finalized block where that counts; default: 2, or 1 with one endpoint',
    minimum: 1,
  },
  vault: text('File of the vault'),
  data: text('Folder for cursors, queues and mailboxes; default: the path of the vault with .data'),
  finality: {
    enum: ['finalized', 'best'],
    description: 'Blocks that count: finalized, or best, which a reorg may take back',
    default: 'finalized',
  },
  verify: {
    enum: ['auto', 'always', 'never'],
    description:
      'Whether workers and messages are read by proofs against the state root: where the node can, or else not at all, or not',
    default: 'auto',
  },
  onGap: {
    enum: ['stop', 'skip'],
    description: 'What to do about blocks of which no endpoint has the state any more',
    default: 'stop',
  },
  timeout: {
    type: 'number',
    description: 'Seconds to wait for an endpoint that does not answer',
    default: 10,
    exclusiveMinimum: 0,
    // A longer timer of JavaScript fires at once.
    maximum: Math.floor((2 ** 31 - 1) / 1_000),
  },
  listen: { type: 'string', description: 'Address and port of the relay', default: '127.0.0.1:8710' },
  metricsListen: text('Address and port of /metrics, which is then nowhere else'),
  publicUrl: urls('URLs under which the relay is reached from outside; default: the address it listens on'),
  relay: urls('Relays whose mailbox is read too'),
  forwarder: urls('Relays that hand on what no endpoint of the recipient takes from here'),
  recipient: ids('Identities whose mail the relay keeps beside that of workers whose endpoints name it'),
  allow: ids('Senders that the relay takes messages from; default: all'),
  deny: ids('Senders that the relay takes nothing from'),
  registeredOnly: { type: 'boolean', description: 'Take messages from registered workers only', default: false },
  tlsCert: text('File of the certificate and its chain, PEM; read again on SIGHUP'),
  tlsKey: text('File of its key, PEM'),
  trustProxy: {
    type: 'array',
    items: string,
    description: 'Addresses or CIDR ranges of proxies whose X-Forwarded-For is believed',
    default: [],
  },
  retention: {
    type: 'number',
    description: 'Days for which a message waits for its recipient',
    default: 30,
    exclusiveMinimum: 0,
  },
  mailboxMessages: { type: 'integer', description: 'Messages that one mailbox holds', default: 100_000, minimum: 1 },
  mailboxMegabytes: { type: 'number', description: 'MiB that one mailbox holds', default: 256, exclusiveMinimum: 0 },
  mailboxSenderPart: {
    type: 'number',
    description: 'Part of a mailbox that one sender may fill',
    default: 0.25,
    exclusiveMinimum: 0,
    maximum: 1,
  },
  mailboxStrangerPart: {
    type: 'number',
    description:
      'From here on a mailbox takes only messages of registered workers and of those that --allow or --recipient names',
    default: 0.5,
    exclusiveMinimum: 0,
    maximum: 1,
  },
  mailGigabytes: {
    type: 'number',
    description: 'GiB that all mailboxes hold; default: 64 with lmdb, what NATS gives with jetstream',
    minimum: 0.002,
  },
  forward: {
    enum: ['on', 'registered', 'off'],
    description: "Whether messages for other relays' recipients are taken: from all, from registered workers, or not",
    default: 'on',
  },
  forwardGigabytes: {
    type: 'number',
    description: 'GiB that wait for other relays; default: 8 with lmdb, what NATS gives with jetstream',
    minimum: 0.002,
  },
  forwardMessages: {
    type: 'integer',
    description: 'Messages that wait for one recipient at other relays, of all senders together',
    default: 100_000,
    minimum: 1,
  },
  forwardMegabytes: {
    type: 'number',
    description: 'MiB that wait for one recipient at other relays, of all senders together',
    default: 256,
    exclusiveMinimum: 0,
  },
  limit: { type: 'array', items: string, description: 'NAME=VALUE: a limit of the relay, see below', default: [] },
  verifyThreads: {
    type: 'integer',
    description: 'Threads that verify signatures; default: one less than the machine runs at once',
    minimum: 0,
    maximum: 64,
  },
  store: {
    enum: ['lmdb', 'jetstream'],
    description: 'Where the relay keeps mailboxes: in --data, or in NATS for several relays',
    default: 'lmdb',
  },
  durability: {
    enum: ['disk', 'os'],
    description: 'lmdb answers when messages are on the disk, or when the system has them, which a power cut may lose',
    default: 'disk',
  },
  nats: urls('Servers of NATS for --store jetstream, nats:// or tls://'),
  natsCredentials: text('File with the credentials of NATS: a .creds file, or an nkey seed'),
  natsCa: text('PEM file with the authority that signed the certificates of NATS; default: the public ones'),
  natsCert: text('PEM file with our own certificate for NATS'),
  natsKey: text('PEM file with the key of that certificate'),
  natsReplicas: {
    type: 'integer',
    description: 'Copies of each message in NATS; default: 3 in a cluster, else 1, or what the streams have',
    minimum: 1,
    maximum: 5,
  },
  allowPrivate: {
    type: 'boolean',
    description:
      'Follow endpoints on loopback and private addresses, and a relay those on its own machine; default: where a development chain is reached on one',
  },
  acknowledge: {
    type: 'boolean',
    description: 'Tell senders with an empty reply that their message was read; it shows that somebody is there',
    default: false,
  },
  onInvoke: text(
    'Program that answers invocations: reads {"from","to","input",…} as JSON, prints the answer; no shell',
  ),
  requireProven: { type: 'boolean', description: 'Refuse EcdhKeys that no record proves', default: false },
  rotateEvery: {
    type: 'number',
    description: 'Days after which listen and serve replace the EcdhKey; 0: never. Needs an account that pays',
    default: 30,
    minimum: 0,
  },
  keepEpochs: {
    type: 'number',
    description: 'Days for which a replaced EcdhKey still opens messages before it is erased',
    default: 30,
    minimum: 0,
  },
  logLevel: { enum: ['silent', 'error', 'warn', 'info', 'debug'], description: 'What goes to stderr', default: 'warn' },
} as const;

type Properties = typeof properties;
export type SettingName = keyof Properties;

export const settingsSchema = {
  type: 'object',
  required: (Object.keys(properties) as SettingName[]).filter((name) => 'default' in properties[name]),
  properties,
} as const;

type ValueOf<Schema> = Schema extends { readonly enum: readonly (infer Choice)[] }
  ? Choice
  : Schema extends { readonly type: 'array' }
    ? readonly string[]
    : Schema extends { readonly type: 'string' }
      ? string
      : Schema extends { readonly type: 'boolean' }
        ? boolean
        : number;
type WithDefault = {
  [Name in SettingName]: Properties[Name] extends { readonly default: unknown } ? Name : never;
}[SettingName];

export type Settings = { [Name in WithDefault]: ValueOf<Properties[Name]> } & {
  [Name in Exclude<SettingName, WithDefault>]?: ValueOf<Properties[Name]>;
};

/** `publicUrl` as `public-url`. */
export function flagOf(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** `publicUrl` as `KHALA_RELAY_PUBLIC_URL`. */
export function variableOf(name: SettingName): string {
  return `KHALA_RELAY_${flagOf(name).replaceAll('-', '_').toUpperCase()}`;
}
