import { fromHex, Reader, toHex, type Hex } from '../codec/index.ts';
import { checkValue, isRelayError } from '../errors/index.ts';
import { throwIfAborted } from './abort.ts';
import { readChainInfo, readParaId } from './chain-info.ts';
import type { Chain } from './chain.ts';
import { systemClock, type Clock } from './clock.ts';
import { checkTimes, type ConnectTimes } from './connect-times.ts';
import { distinctEndpoints, quorumOf } from './endpoint-list.ts';
import { HashRuns } from './head/hash-runs.ts';
import { HeadReader } from './head/head-reader.ts';
import { HeaderChain } from './head/header-chain.ts';
import { headerHasher } from './head/header.ts';
import { heads$, walkHeads } from './head/heads.ts';
import { LatestValue } from './head/latest-value.ts';
import { newestHeads } from './head/newest-heads.ts';
import { silentLogger, type ChainLogger } from './logger.ts';
import { probeNode } from './probe/probe-node.ts';
import { EndpointBlocks } from './quorum/endpoint-blocks.ts';
import { ForkWitness } from './quorum/fork-witness.ts';
import { Quorum } from './quorum/quorum.ts';
import { Connection } from './rpc/connection.ts';
import { isLocalUrl } from './rpc/local-address.ts';
import { OtherEndpoints } from './rpc/other-endpoints.ts';
import { Refusals } from './rpc/refusals.ts';
import { AgreedRuntimes } from './runtime/agreed-runtimes.ts';
import { RuntimeCache } from './runtime/runtime-cache.ts';
import { BlockReader } from './storage/block-reader.ts';
import { BlockStorage } from './storage/block-storage.ts';
import { ingressSequence } from './storage/ingress-sequence.ts';
import { layoutOf } from './storage/layout.ts';
import { createBlockView } from './storage/block-view.ts';
import { bodyReader } from './storage/body-reader.ts';
import { mapKeys, storagePrefix } from './storage/storage-key.ts';
import { StorageReader } from './storage/storage-reader.ts';
import { formatBalance } from './submit/format-balance.ts';
import { ExtrinsicCosts } from './submit/extrinsic-cost.ts';
import type { SubmitSources } from './submit/submit-sources.ts';
import { Submitter } from './submit/submitter.ts';
import { loadHash256 } from './trie/proof-nodes.ts';
import { ProofReader } from './trie/proof-reader.ts';
import { MessageReader } from './messages/message-reader.ts';
import { OutboundValues } from './messages/outbound-values.ts';
import { createProvenWorkers } from './trie/proven-workers.ts';

export interface ConnectOptions extends ConnectTimes {
  /** ws:// or wss:// URLs of nodes of one chain; another one is used where one fails. */
  readonly endpoints: readonly string[];
  /** Refuse any other chain. Default: the chain of the first endpoint that answers. */
  readonly genesisHash?: Hex;
  /**
   * Endpoints that must agree on a finalized block where that is asked for (`agreed` of heads, `verify` of WorkerState).
   * Default 2, or 1 with one endpoint. Each URL counts once.
   */
  readonly quorum?: number;
  /** Told of what is mended without anybody's doing: failovers, nodes that lie. Default: nobody is. */
  readonly logger?: ChainLogger;
  /** Default: the system's. */
  readonly clock?: Clock;
  /** Gives up connecting; a chain that is connected is ended by its `stop`. */
  readonly signal?: AbortSignal;
}

const defaultTimeoutMs = 10_000;
/** What another endpoint may know better. */
const unusable: ReadonlySet<string> = new Set(['unsupported-runtime', 'rpc-failed', 'state-discarded', 'bad-storage']);
const sudoKey = storagePrefix('Sudo', 'Key');

/**
 * Connects, and stays connected until `stop`. Throws bad-endpoint, bad-quorum, bad-setting, chain-unreachable after
 * `timeoutMs`, wrong-chain, node-lies where no endpoint is left, aborted; and, where none of the endpoints can give the
 * state of its best block, unsupported-runtime, rpc-failed, state-discarded, bad-storage.
 */
export async function connectChain(options: ConnectOptions): Promise<Chain> {
  const { timeoutMs = defaultTimeoutMs, clock = systemClock, logger = silentLogger, signal } = options;
  const { genesisHash, backoff = {} } = options;
  throwIfAborted(signal);
  checkTimes(options);
  const endpoints = distinctEndpoints(options.endpoints);
  const quorum = quorumOf(options.quorum, endpoints.length);
  const until = clock.now() + timeoutMs;
  const connection = await Connection.open(
    { endpoints, genesisHash, timeoutMs, backoff, quorum, clock, logger },
    signal,
  );
  try {
    return await createChain(connection, options, until);
  } catch (error) {
    connection.stop();
    throw error;
  }
}

/** What an endpoint says that can not be used has others asked, each once. */
async function bySomeEndpoint<T>(connection: Connection, read: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++)
    try {
      return await read();
    } catch (error) {
      const { present, options } = connection;
      if (!isRelayError(error) || !unusable.has(error.code) || attempt >= options.endpoints.length) throw error;
      // Who said it was given up already: by who read it, or by its own doing.
      if (present === undefined) continue;
      if (!connection.distrust(present.url, error.message)) throw error;
      options.logger.warn(
        { url: present.url, reason: error.message },
        'endpoint can not be used, another one is asked',
      );
    }
}

/** Throws chain-unreachable where connections break `until` then. */
async function createChain(connection: Connection, options: ConnectOptions, until: number): Promise<Chain> {
  const { clock } = connection.options;
  const endpoints = new OtherEndpoints(connection);
  const blocks = new BlockReader(connection, endpoints, clock);
  const { read: readAt, readAs } = blocks;
  const isLocal = connection.options.endpoints.every(isLocalUrl);
  const hash256 = await loadHash256();
  const hashOf = headerHasher(connection.genesisHash, isLocal, hash256);
  const bodyOf = bodyReader(readAs, { header: hashOf, hash256 });
  const refusals = new Refusals(connection, clock);
  const reader = new HeadReader({ connection, blocks, clock, refusals, hashOf });
  const endpointBlocks = new EndpointBlocks(connection, endpoints, hashOf);
  const hashes = new HashRuns({ connection, blocks: endpointBlocks, clock, refusals });
  const quorum = new Quorum({ connection, blocks: endpointBlocks, clock, size: connection.options.quorum });
  const headers = new HeaderChain({ connection, blocks, hashes, finalized: endpointBlocks, quorum, refusals, hashOf });
  const runtimes = new RuntimeCache({ reader: blocks, connection, hashOf });
  const storageReader = new StorageReader(blocks);
  const watched = { connection, endpoints, finalized: endpointBlocks, clock, hashOf, silenceMs: options.silenceMs };
  const newest$ = { finalized: newestHeads(watched, 'finalized'), best: newestHeads(watched, 'best') };
  const forks = new ForkWitness(connection, endpointBlocks);
  const sources = { connection, endpoints, reader, quorum, forks, finalized: endpointBlocks, headers, newest$ };
  const storageAt = (hash: Hex): BlockStorage => new BlockStorage(hash, storageReader, runtimes);

  const readInfo = async () => {
    const { hash } = await reader.best({ signal: options.signal });
    const runtime = await runtimes.of(hash, options.signal);
    const info = await readChainInfo(connection, runtime, options.signal);
    return { info, paraId: await readParaId(storageAt(hash), runtime, options.signal) };
  };
  const { info, paraId } = await connection.connectTime.during(until, () => bySomeEndpoint(connection, readInfo));

  const isSudo = async (account: Hex, signal?: AbortSignal): Promise<boolean> => {
    const { hash } = await reader.best({ signal });
    const [key] = await storageAt(hash).values([sudoKey], signal);
    return key !== undefined && toHex(key) === account.toLowerCase();
  };
  const submitSources: SubmitSources = {
    connection,
    heads: reader,
    newest$,
    runtimes,
    readAt,
    bodyOf,
    clock,
    random: options.backoff?.random ?? Math.random,
    storageAt,
    isSudo,
    nonceAt: async (account, block, signal) => {
      const answer = await readAt('state_call', ['AccountNonceApi_account_nonce', account, block], block, signal);
      return new Reader(fromHex(String(answer)), 'AccountNonceApi_account_nonce').u32();
    },
    freeBalance: async (account, signal) => {
      const { hash } = await reader.best({ signal });
      const at = storageAt(hash);
      const entry = (await at.runtime(signal)).storage('System', 'Account');
      if (entry === undefined) return 'an unknown amount of';
      const [value] = await at.values([mapKeys(entry)(fromHex(account))], signal);
      return formatBalance(value, info.tokenDecimals);
    },
    facts: { genesisHash: connection.genesisHash, paraId, tokenSymbol: info.tokenSymbol },
  };
  const submitter = new Submitter(submitSources);
  const costs = new ExtrinsicCosts(submitSources);

  const proofs = new ProofReader(connection, blocks);
  const messages = new MessageReader({
    connection,
    hashes,
    forks,
    values: new OutboundValues({ connection, blocks, proofs }),
    headers,
    listen: () => new LatestValue(newest$.finalized, () => connection.stopped.reason as unknown),
    trusted: (told, from, signal) =>
      quorum.trust === 'single' ? Promise.resolve(told) : quorum.newest(from, { signal }),
    decode: async (hash, value, signal) => {
      const storage = storageAt(hash);
      const { decodeMessages } = layoutOf(await storage.runtime(signal));
      return storage.decode('PhalaMq.OutboundMessages', () => decodeMessages(value));
    },
  });
  const provenWorkers = createProvenWorkers({ proofs, storage: storageReader, runtimes });
  const voted = new AgreedRuntimes({
    quorum,
    endpoints,
    timeoutMs: connection.options.timeoutMs,
    stopped: connection.stopped,
  });
  const agreedWorkers =
    quorum.trust === 'single'
      ? provenWorkers
      : createProvenWorkers({ proofs, storage: storageReader, runtimes: voted });
  const stop = async (): Promise<void> => {
    connection.stop();
    return Promise.resolve();
  };
  return {
    genesisHash: connection.genesisHash,
    info,
    isLocal,
    trust: quorum.trust,
    get nodeFaults() {
      return connection.faults.standing;
    },
    nodeFaults$: connection.faults.all$,
    agreedHead: async (signal, patienceMs = connection.options.timeoutMs) => {
      checkValue('patienceMs', patienceMs >= 0, '0 or more');
      if (quorum.trust === 'single') return reader.finalized({ signal });
      const { hash } = await quorum.newest(0, { signal, patienceMs });
      return reader.byHash(hash, { signal });
    },
    finalizedHead: (signal) => reader.finalized({ signal }),
    bestHead: (signal) => reader.best({ signal }),
    headAt: (number, signal) => reader.at(number, { signal }),
    finalizedHeads$: (headsOptions = {}) => heads$(sources, { ...headsOptions, finality: 'finalized' }),
    bestHeads$: (headsOptions = {}) => heads$(sources, { ...headsOptions, finality: 'best' }),
    headEvents: (headsOptions = {}, signal) => walkHeads(sources, headsOptions, signal),
    at: (hash) => createBlockView(storageAt(hash), { readAs, bodyOf }),
    headOf: (hash, signal) => reader.byHash(hash, { signal }),
    provenWorkers,
    agreedWorkers,
    provenSequence: (head, worker, signal) =>
      ingressSequence(storageAt(head.hash), worker, (key) => proofs.values(head, [key], signal), signal),
    messages,
    capabilities: (signal) => probeNode({ connection, reader, runtimes }, signal),
    isSudo,
    submit: (calls, account, submitOptions = {}) => submitter.submit(calls, account, submitOptions),
    post: (calls, account, postOptions = {}) => submitter.post(calls, account, postOptions),
    follow: (extrinsic, followOptions = {}) => submitter.follow(extrinsic, followOptions),
    fates: (extrinsics, signal, before) => submitter.fates(extrinsics, before, signal),
    costOf: (calls, account, costOptions = {}) => costs.costOf(calls, account, costOptions),
    batchRoom: (kind, account, signal) => costs.batchRoom(kind, account, signal),
    stop,
    [Symbol.asyncDispose]: stop,
  };
}
