import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { firstValueFrom } from 'rxjs';
import {
  connectAgent,
  connectChain,
  createInbox,
  createMemoryVault,
  createOutbox,
  createPhalaListener,
  createRelay,
  createRelayClient,
  createReplier,
  createRequester,
  createVault,
  encodeEcdhRecord,
  endpointContent,
  openLmdbMailStore,
  openLmdbStore,
  openMemoryStore,
  ready,
  RelayError,
  sealMessage,
  serveInbox,
  serveVault,
  startDevChain,
  watchWorkerState,
  type Chain,
  type DevChain,
  type Inbox,
  type MailStore,
  type RelayClient,
  type Vault,
  type VaultAgent,
} from '../../src/index.ts';
import { alice, temporaryFolder } from '../support/entities.ts';
import { cheap, currentKey, genesisHash, newVault, passphrase } from '../support/vaults.ts';

const numbers = [NaN, Infinity, -Infinity, -1, 1.5, 2 ** 53];
const unreached = 'http://127.0.0.1:1';
const body = { kind: 'data', content: '0x01' } as const;

describe('package: numbers that are given to what the library exports', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let dev: DevChain;
  let chain: Chain;
  let mailStore: MailStore;
  let agent: VaultAgent;
  const vaults: Record<string, Vault> = {};
  const peer = createMemoryVault();
  let peerKey: Uint8Array;
  let made = 0;
  const path = (...parts: readonly string[]): string => join(folder.path, ...parts, String(made++));

  before(async () => {
    await ready();
    folder = await temporaryFolder();
    await mkdir(join(folder.path, 'run'), { mode: 0o700 });
    dev = await startDevChain();
    chain = await connectChain({ endpoints: [dev.ws] });
    mailStore = await openLmdbMailStore({ path: path() });
    agent = await serveVault({ vault: await newVault(path()), socket: path('run'), dataPath: folder.path });
    vaults['file'] = await newVault(path());
    vaults['memory'] = createMemoryVault();
    vaults['agent'] = await connectAgent({ socket: agent.socket });
    peerKey = await currentKey(peer);
  });
  after(async () => {
    for (const vault of Object.values(vaults)) await vault.close();
    await agent.stop();
    await mailStore.close();
    await chain.stop();
    await dev.stop();
    await folder.remove();
  });

  const directory = {
    get: () => ({ current: { epoch: 0, ecdhKey: peerKey, proven: true }, endpoints: [unreached] }),
  };
  const over = async (open: Promise<AsyncDisposable>): Promise<void> => (await open)[Symbol.asyncDispose]();
  const vaultOf = (kind: string): Vault => vaults[kind] ?? assert.fail(`no vault ${kind}`);
  const connected = (options: object) => over(connectChain({ endpoints: [dev.ws], ...options }));
  const served = (policy: object) =>
    over(serveVault({ vault: createMemoryVault(), socket: path('run'), dataPath: folder.path, policy }));
  const mailed = (options: object) => over(openLmdbMailStore({ path: path(), ...options }));
  const relayed = async (options: object): Promise<void> => {
    await using relay = createRelay({ genesisHash, mailStore, listen: { port: 0 }, ...options });
    await relay.start();
  };
  const watched = async (options: object): Promise<void> => {
    await using watch = watchWorkerState(chain, { store: openMemoryStore(), ...options });
    await watch.ready;
  };
  const received = async (options: object, work: (inbox: Inbox) => unknown = () => undefined): Promise<void> => {
    const parts = { chain, vault: createMemoryVault(), store: openMemoryStore() };
    await using inbox = createInbox({ ...parts, ...options });
    await inbox.start();
    await work(inbox);
  };
  const listened = async (options: object): Promise<void> => {
    const parts = { chain, vault: createMemoryVault(), store: openMemoryStore(), topics: [new Uint8Array(1)] };
    await using listener = createPhalaListener({ ...parts, ...options });
    await listener.start();
  };
  const sending = () => ({ vault: createMemoryVault(), store: openMemoryStore(), directory, genesisHash });
  const queued = async (options: object): Promise<void> => {
    await using outbox = createOutbox({ ...sending(), chain, account: alice, ...options });
    await outbox.start();
  };
  const asked = async (options: object, request: object): Promise<void> => {
    await using client = createRelayClient({ genesisHash, allowPrivate: true, ...options });
    await createRequester({ ...sending(), client }).request({ to: peer.identity, body, timeoutMs: 500, ...request });
  };
  const requesting = (options: object): RelayClient =>
    createRelayClient({ genesisHash, allowPrivate: true, ...options });
  const answered = async (options: object): Promise<void> => {
    await using client = requesting({});
    const replier = createReplier({ ...sending(), client, relays: [unreached], patienceMs: 50, ...options });
    const asking = { messageId: peer.identity, from: peer.identity, fromKind: 'worker', senderKey: peerKey } as const;
    await replier.reply(asking);
  };
  const mailboxOf = async (options: object): Promise<void> => {
    await using client = requesting({});
    const prover = { identity: peer.identity, sign: peer.sign.bind(peer) };
    const received$ = client.receive({ url: unreached, ...prover, ...options });
    await firstValueFrom(received$);
  };
  const handledBy = async (inbox: Inbox, options: object): Promise<void> => {
    await using _service = serveInbox({
      inbox,
      replier: { reply: async () => undefined, cameBy: () => undefined },
      ...options,
    });
  };
  const entriesOf = async (open: Promise<ReturnType<typeof openMemoryStore>>, limit: number): Promise<void> => {
    await using store = await open;
    await store.commit([{ key: Uint8Array.of(1), value: Uint8Array.of(1) }]);
    await store.entries({ from: Uint8Array.of(0), to: Uint8Array.of(9), limit });
  };

  /** By name, what is done with a number. */
  const uses: Readonly<Record<string, (value: number) => unknown>> = {
    ...each('connectChain', ['timeoutMs', 'silenceMs', 'quorum'], connected),
    ...each('connectChain backoff', ['minMs', 'maxMs'], (backoff) => connected({ backoff })),
    'Chain.headAt': (value) => chain.headAt(value),
    'Chain.agreedHead patienceMs': (value) => chain.agreedHead(undefined, value),
    ...each('connectAgent', ['timeoutMs', 'patienceMs'], (options) =>
      over(connectAgent({ socket: agent.socket, ...options })),
    ),
    ...each('serveVault policy', ['rate', 'idleLockMs'], served),
    ...Object.fromEntries(['file', 'memory', 'agent'].flatMap((kind) => Object.entries(vaultUses(kind)))),
    ...each('createVault cost', ['memory', 'passes', 'lanes'], (cost) =>
      over(createVault({ path: path(), passphrase, cost: { ...cheap, ...cost } })),
    ),
    'openMemoryStore entries limit': (value) => entriesOf(Promise.resolve(openMemoryStore()), value),
    'openLmdbStore entries limit': (value) => entriesOf(openLmdbStore({ path: path() }), value),
    ...each('openLmdbMailStore', ['retentionMs', 'dedupeMs', 'sweepIntervalMs'], mailed),
    ...each(
      'openLmdbMailStore quota',
      ['maxCount', 'maxBytes', 'maxTotalBytes', 'senderPart', 'strangerPart'],
      (quota) => mailed({ quota }),
    ),
    ...each('watchWorkerState', ['saveEveryMs'], watched),
    ...each('watchWorkerState reconcile', ['everyBlocks', 'everyMs'], (reconcile) => watched({ reconcile })),
    ...each('createInbox', ['from', 'retentionMs'], (options) => received(options)),
    ...each('createInbox inFlight', ['count', 'bytes'], (given) =>
      received({ inFlight: { count: 1, bytes: 1, ...given } }),
    ),
    ...each('Inbox.handle', ['concurrency'], (options) =>
      received({}, (inbox) => inbox.handle(() => undefined, { ...options, signal: AbortSignal.abort() })),
    ),
    ...each('serveInbox', ['concurrency', 'handlerTimeoutMs'], (options) =>
      received({}, (inbox) => handledBy(inbox, options)),
    ),
    ...each('createPhalaListener', ['from'], listened),
    ...each('createOutbox', ['keepDone'], queued),
    ...each('createRelay', ['verifyThreads'], relayed),
    ...each('createRelay listen', ['port'], (listen) => relayed({ listen })),
    ...each('createRelay metricsListen', ['port'], (metricsListen) => relayed({ metricsListen })),
    ...each('createRelay limits', ['maxMessageBytes', 'maxBatch', 'drainMs', 'metricsAgeMs'], (limits) =>
      relayed({ limits }),
    ),
    ...each('createRelay limits perIdentity', ['perSecond', 'burst'], (rate) =>
      relayed({ limits: { perIdentity: { perSecond: 1, burst: 1, ...rate } } }),
    ),
    ...each('createRelay forwardBackoff', ['firstMs', 'mostMs'], (given) =>
      relayed({ forwardBackoff: { firstMs: 1, mostMs: 1, ...given } }),
    ),
    ...each('createRelay forwardQuota', ['maxCount', 'maxBytes', 'strangerPart'], (forwardQuota) =>
      relayed({ forwardQuota }),
    ),
    ...each('createRelayClient', ['timeoutMs', 'idleMs', 'maxConnections', 'maxAnswerBytes'], (options) =>
      asked(options, {}),
    ),
    ...each('createRelayClient health', ['capacity'], (health) => asked({ health }, {})),
    ...each('createRelayClient health backoff', ['firstMs', 'mostMs'], (given) =>
      asked({ health: { backoff: { firstMs: 1, mostMs: 1, ...given } } }, {}),
    ),
    ...each('RelayClient.receive', ['window'], mailboxOf),
    ...each('RelayClient.receive backoff', ['firstMs', 'mostMs'], (given) =>
      mailboxOf({ backoff: { firstMs: 1, mostMs: 1, ...given } }),
    ),
    ...each('createReplier', ['patienceMs'], answered),
    ...each('createReplier backoff', ['firstMs', 'mostMs'], (given) =>
      answered({ backoff: { firstMs: 1, mostMs: 1, ...given } }),
    ),
    'Outbox.estimateFee bodyBytes': async (bodyBytes) => {
      await using outbox = createOutbox({ ...sending(), chain, account: alice });
      await outbox.estimateFee(bodyBytes);
    },
    ...each('Requester.request', ['timeoutMs'], (request) => asked({}, request)),
    'sealMessage freshKey': (keepMs) => sealMessage(sending(), { to: peer.identity, body, freshKey: { keepMs } }),
    ...each('startDevChain', ['port', 'workers', 'blockTimeMs', 'finalityLag'], (options) =>
      over(startDevChain(options)),
    ),
    'DevChain.newBlock timestamp': (timestamp) => dev.newBlock({ timestamp }),
    'DevChain.timeTravel': (value) => dev.timeTravel(value),
    'DevChain.reorg': (value) => dev.reorg(value),
    'encodeEcdhRecord epoch': (epoch) =>
      encodeEcdhRecord({ ecdhPublic: peerKey, epoch, signature: new Uint8Array(64) }),
    'endpointContent signingTime': (signingTime) =>
      endpointContent({ identity: peer.identity, endpoints: [], signingTime }),
  };

  function vaultUses(kind: string): Record<string, (value: number) => unknown> {
    return {
      [`Vault.rotate atLeast (${kind})`]: (atLeast) => vaultOf(kind).rotate({ atLeast }),
      [`Vault.rotate replacing (${kind})`]: (replacing) => vaultOf(kind).rotate({ replacing }),
      [`Vault.activate (${kind})`]: (epoch) => vaultOf(kind).activate(epoch),
      [`Vault.erase (${kind})`]: (retiredBefore) => vaultOf(kind).erase({ retiredBefore }),
      [`Vault.sign epoch (${kind})`]: (epoch) => vaultOf(kind).sign({ type: 'ecdh-record', genesisHash, epoch }),
    };
  }

  for (const [name, use] of Object.entries(uses))
    it(`${name}: none has anything thrown but a RelayError`, async () => {
      for (const value of numbers)
        try {
          await use(value);
        } catch (error) {
          assert.ok(error instanceof RelayError, `${value}: ${String(error)}`);
        }
    });

  const refusals: readonly (readonly [name: string, refused: readonly number[]])[] = [
    ['connectAgent timeoutMs', [NaN, Infinity, -1, 2 ** 53]],
    ['connectAgent patienceMs', [NaN, -1]],
    ['serveVault policy idleLockMs', [NaN, Infinity, -1, 2 ** 53]],
    ...['file', 'memory', 'agent'].map((kind) => [`Vault.erase (${kind})`, [NaN]] as const),
    ...['file', 'memory', 'agent'].map((kind) => [`Vault.rotate atLeast (${kind})`, [NaN, 10.5, 2 ** 53]] as const),
    ['createRelay verifyThreads', [NaN, Infinity, -1, 1.5, 65]],
    // No timer waits so long: it would fire at once.
    ...[
      ...['createRelayClient timeoutMs', 'createRelayClient idleMs', 'openLmdbMailStore sweepIntervalMs'],
      ...['createReplier patienceMs', 'Requester.request timeoutMs'],
      ...['RelayClient.receive backoff', 'createReplier backoff', 'createRelay forwardBackoff'].flatMap((backoff) => [
        `${backoff} firstMs`,
        `${backoff} mostMs`,
      ]),
    ].map((name) => [name, [NaN, Infinity, -1, 2 ** 53]] as const),
    ...[
      ...['createRelayClient maxConnections', 'createRelayClient maxAnswerBytes', 'createRelayClient health capacity'],
      ...['createRelayClient health backoff firstMs', 'createRelayClient health backoff mostMs'],
      ...[
        'watchWorkerState saveEveryMs',
        'watchWorkerState reconcile everyBlocks',
        'watchWorkerState reconcile everyMs',
      ],
      ...['openLmdbMailStore retentionMs', 'openLmdbMailStore dedupeMs', 'Chain.agreedHead patienceMs'],
      ...['openLmdbMailStore quota maxCount', 'openLmdbMailStore quota maxBytes'],
      ...['createRelay forwardQuota maxCount', 'createRelay forwardQuota maxBytes'],
      ...['createInbox inFlight count', 'createInbox inFlight bytes'],
    ].map((name) => [name, [NaN, -1]] as const),
    ...[
      'openLmdbMailStore quota senderPart',
      'openLmdbMailStore quota strangerPart',
      'createRelay forwardQuota strangerPart',
    ].map((name) => [name, [NaN, Infinity, -1, 1.5, 2 ** 53]] as const),
    ...['createInbox retentionMs', 'Outbox.estimateFee bodyBytes', 'createOutbox keepDone'].map(
      (name) => [name, [NaN, Infinity, -1, 1.5, 2 ** 53]] as const,
    ),
    ['RelayClient.receive window', [NaN, Infinity, -1, 0, 1.5, 2 ** 53]],
  ];
  for (const [name, refused] of refusals)
    it(`${name}: what it can not be is refused`, async () => {
      for (const value of refused)
        await assert.rejects(
          async () => uses[name]?.(value),
          (error) => error instanceof RelayError && error.code === 'bad-value',
          String(value),
        );
    });
});

/** Of each option of a kind: what is done with a number there. */
function each(
  name: string,
  options: readonly string[],
  use: (options: Record<string, number>) => unknown,
): Record<string, (value: number) => unknown> {
  return Object.fromEntries(
    options.map((option) => [`${name} ${option}`, (value: number) => use({ [option]: value })]),
  );
}
