import type { Observable } from 'rxjs';
import type { Hex } from '../codec/index.ts';
import type { RelayError } from '../errors/index.ts';
import type { BlockNumber } from './block-number.ts';
import type { NodeCapabilities } from './probe/capabilities.ts';
import type { KnownMap } from './trie/known-map.ts';

export type { BlockNumber } from './block-number.ts';

export interface Head {
  readonly number: BlockNumber;
  readonly hash: Hex;
  readonly parentHash: Hex;
  readonly stateRoot: Hex;
}

/** finalized: what consensus will not take back. best: the newest block, which a reorg may retract. */
export type Finality = 'finalized' | 'best';

/**
 * quorum: a finalized block counts when several endpoints agree on its hash. single: the one endpoint that is used is
 * believed.
 */
export type Trust = 'quorum' | 'single';

/** `retracted` comes newest first, before the heads of the new branch; only with best. */
export interface HeadEvent {
  readonly type: 'head' | 'retracted';
  readonly head: Head;
}

export interface HeadsOptions {
  /** Default finalized. */
  readonly finality?: Finality;
  /** First block wanted. Default: the present head. */
  readonly from?: BlockNumber;
  /**
   * The last block that was seen, instead of `from`: heads go on behind it. Where a reorg took it, best heads begin with
   * `retracted` for it and those before it that went too; finalized ones throw chain-forked. Throws state-discarded where
   * no endpoint knows it any more.
   */
  readonly after?: Pick<Head, 'number' | 'hash'>;
  /**
   * Only finalized blocks that `quorum` endpoints agree on, each linked to the next by its hash; without effect on best
   * ones. Where the endpoints do not agree within the connection's `timeoutMs` on a first one it throws no-quorum; later
   * it waits for them. Throws endpoints-disagree where no answer can settle it. Default false.
   */
  readonly agreed?: boolean;
}

/** Who posted a message-queue message, as the chain proves it (khala-interface.md, MessageOrigin). */
export type MessageSender =
  | { readonly kind: 'worker' | 'account'; readonly id: Hex }
  | { readonly kind: 'other'; readonly name: string; readonly id?: Hex };

/** An entry of `PhalaMq.OutboundMessages`, bytes undecoded. */
export interface OutboundMessage {
  readonly sender: MessageSender;
  readonly destination: Uint8Array;
  readonly payload: Uint8Array;
}

/** A message with where it was posted. */
export interface PostedMessage extends OutboundMessage {
  readonly block: BlockId;
  /**
   * Whether no node's word had to be taken for it: read by a proof against the state root of its block, whose header is
   * an ancestor of the trusted finalized one.
   */
  readonly proven: boolean;
}

/** A block by number and hash. */
export type BlockId = Pick<Head, 'number' | 'hash'>;

export interface MessagesOptions {
  /** Messages to one of these are wanted. */
  readonly topics: readonly Uint8Array[];
  /**
   * true: proven, or proofs-unavailable. false: as the node gives them. Default: proven where the node can. A node that
   * lies can say that it gives no proofs: only true leaves it no choice.
   */
  readonly verify?: boolean;
}

/** What consecutive finalized blocks hold, or which of them can not be known. */
export type MessageSpan =
  | {
      readonly type: 'blocks';
      /** The last of them. */
      readonly through: BlockId;
      readonly messages: readonly PostedMessage[];
    }
  | {
      readonly type: 'missing';
      readonly first: BlockNumber;
      /** The last one missing: reading goes on after it. */
      readonly through: BlockId;
      readonly reason: string;
      /** Of a missing block, on the chain that was followed; undefined of another. Cheapest in the order of blocks. */
      readonly hashAt: (number: BlockNumber) => Promise<Hex | undefined>;
    };

/** Messages of blocks; all who read over one connection share what is read. */
export interface Messages {
  /**
   * Of every finalized block after `after`, in order, for ever. A consumer that awaits between two spans holds the reading
   * back. Throws cursor-not-on-chain where the chain does not lead through `after`; proofs-unavailable, node-lies,
   * rpc-failed, bad-storage, aborted, chain-stopped.
   */
  follow(after: BlockId, options: MessagesOptions, signal?: AbortSignal): AsyncGenerator<MessageSpan, never>;
  /** Of one block, whose header is not held against a finalized one. Throws state-discarded and as above. */
  at(head: Head, options: MessagesOptions, signal?: AbortSignal): Promise<PostedMessage[]>;
}

/** An entry of `PhalaRegistry.Workers` in any runtime's layout. */
export interface WorkerInfo {
  readonly identity: Hex;
  /** 32 bytes, epoch 0. */
  readonly ecdhKey: Uint8Array;
  readonly runtimeVersion: number;
  /** Unix time, s. */
  readonly lastUpdated: bigint;
  readonly operator: Hex | undefined;
  /** undefined where the worker has none, or the runtime's layout has no such field. */
  readonly attestationProvider: string | undefined;
  readonly confidenceLevel: number;
}

/** One worker's share of WorkerState at one block. */
export interface WorkerRecord {
  readonly info: WorkerInfo;
  /**
   * As on chain, in order, bytes that are not UTF-8 replaced: the first 64 URLs and the last 8 ECDH records, none longer
   * than 2048 bytes. Whoever owns a worker may publish millions of strings.
   */
  readonly endpoints: readonly string[];
  readonly gatekeeper: boolean;
}

/**
 * What WorkerState says of one worker, packed, since 50 000 objects would take five times the memory: `workerFields` gives
 * what is in it, `packRow` makes one.
 */
export type WorkerRow = Uint8Array;

/** Rows one behind the other, without a gap; one without bytes stands for a worker that is not registered. */
export interface WorkerRows {
  readonly bytes: Uint8Array;
  /** Where each row ends, from the first on. */
  readonly ends: Uint32Array;
}

/** A {@link WorkerRow} taken apart, endpoints undecoded: most are never looked at. */
export interface WorkerFields {
  /** 32 bytes. */
  readonly identity: Uint8Array;
  /** 32 bytes, epoch 0; maybe a view. */
  readonly ecdhKey: Uint8Array;
  readonly runtimeVersion: number;
  readonly confidenceLevel: number;
  /** `decodeEndpoints` gives `WorkerRecord.endpoints` of it, `endpointFaults` what is wrong with it. Empty: no entry. Maybe a view. */
  readonly endpoints: Uint8Array;
  readonly gatekeeper: boolean;
}

/** What a block may have changed in WorkerState. */
export interface TouchedWorkers {
  readonly ids: readonly Hex[];
  /** Whether the list of gatekeepers may have changed. */
  readonly gatekeepers: boolean;
  /** False where an event or a call could not be decoded: there may be more. */
  readonly complete: boolean;
}

/** Reads at one block hash; never at "latest". Throws state-discarded, chain-unreachable, bad-storage. */
export interface BlockView {
  readonly hash: Hex;
  /** Of `OutboundMessages`, in order. */
  outboundMessages(signal?: AbortSignal): Promise<OutboundMessage[]>;
  /** SCALE of each, as hex, in order. Nodes keep them for longer than the state. */
  extrinsics(signal?: AbortSignal): Promise<readonly Hex[]>;
  /** Next expected sequence of a worker's posts; 0n where it never posted. */
  ingressSequence(worker: Hex, signal?: AbortSignal): Promise<bigint>;
  /** Key that commands to a Phala contract are sealed to, 32 bytes; undefined where the chain knows none. */
  contractKey(contract: Hex, signal?: AbortSignal): Promise<Uint8Array | undefined>;
  /** undefined where no such worker is registered. */
  worker(id: Hex, signal?: AbortSignal): Promise<WorkerRecord | undefined>;
  /** Ids of all registered workers, as the node lists them: as many as there are, and not proven. */
  workerIds(signal?: AbortSignal): Promise<Hex[]>;
  /** In the order of `ids`; undefined where not registered. */
  workers(ids: readonly Hex[], signal?: AbortSignal): Promise<(WorkerRow | undefined)[]>;
  /** All registered workers, in pages. */
  allWorkers(signal?: AbortSignal): AsyncIterable<WorkerRows>;
  /** Ids of the gatekeepers. */
  gatekeepers(signal?: AbortSignal): Promise<Hex[]>;
  /** Ids whose entry the block may have changed, from its events and calls (nested ones too): hints, not truth. */
  touchedWorkers(signal?: AbortSignal): Promise<TouchedWorkers>;
  /** The chain's clock, Unix ms. */
  timestamp(signal?: AbortSignal): Promise<bigint>;
}

/** Where a reading of WorkerState by proofs stands: hashes of the maps' upper branches. */
export interface WorkersMark {
  readonly workers: KnownMap;
  readonly endpoints: KnownMap;
  /** Who has endpoints there and is not registered. */
  readonly orphans: ReadonlySet<Hex>;
}

/** What a reader of differences has of WorkerState already. */
export interface KnownWorkers {
  has(id: Hex): boolean;
  /** Whether `Endpoints` has an entry of a registered worker, be it without endpoints. */
  hasEndpoints(id: Hex): boolean;
  /** All ids that it has. */
  ids(): Iterable<Hex>;
}

/** Of a WorkerInfo: what the cache keeps. */
export type WorkerEssentials = Pick<WorkerInfo, 'ecdhKey' | 'runtimeVersion' | 'confidenceLevel'>;

/** What is in WorkerState now where it may differ: neighbours of what changed are named too. */
export interface WorkersDifference {
  /** Where the next reading goes on. */
  readonly mark: WorkersMark;
  /** undefined: not registered any more. */
  readonly infos: ReadonlyMap<Hex, WorkerEssentials | undefined>;
  /** As `WorkerFields.endpoints`. Empty: no entry any more. */
  readonly endpoints: ReadonlyMap<Hex, Uint8Array>;
  /** All of them. */
  readonly gatekeepers: ReadonlySet<Hex>;
}

/** What a snapshot came to. */
export interface WorkersSnapshot {
  readonly mark: WorkersMark;
  readonly gatekeepers: ReadonlySet<Hex>;
  /** False where the nodes dropped the block's state half way: `changes` at a later block brings the rest. */
  readonly isComplete: boolean;
}

/**
 * WorkerState read by proofs against the state root: what comes out is what the chain holds, nothing left out. Throws
 * proofs-unavailable, node-lies where no endpoint is left, state-discarded, chain-unreachable, bad-storage.
 */
export interface ProvenWorkers {
  /** Hands over all of WorkerState at a block. */
  snapshot(head: Head, take: (workers: WorkerRows) => void, signal?: AbortSignal): Promise<WorkersSnapshot>;
  /** One worker; undefined where the proof shows that it is not registered. */
  worker(head: Head, id: Hex, signal?: AbortSignal): Promise<WorkerRow | undefined>;
  /** What is different at `head`, a later or an earlier block, from where `mark` stands. */
  changes(mark: WorkersMark, head: Head, known: KnownWorkers, signal?: AbortSignal): Promise<WorkersDifference>;
}

/** Calls that khala-relay submits. */
export type Call =
  | { readonly kind: 'push-message'; readonly destination: Uint8Array; readonly payload: Uint8Array }
  | {
      readonly kind: 'sync-offchain-message';
      readonly worker: Hex;
      readonly destination: Uint8Array;
      readonly payload: Uint8Array;
      readonly sequence: bigint;
      readonly signature: Uint8Array;
    }
  | {
      readonly kind: 'update-worker-endpoint';
      readonly identity: Hex;
      readonly endpoints: readonly string[];
      /** Unix time, ms. */
      readonly signingTime: bigint;
      readonly signature: Uint8Array;
    }
  | { readonly kind: 'register-worker'; readonly identity: Hex; readonly ecdhKey: Uint8Array; readonly operator?: Hex }
  | {
      readonly kind: 'force-register-worker';
      readonly identity: Hex;
      readonly ecdhKey: Uint8Array;
      readonly operator?: Hex;
    };

/** An account that pays; made by {@link accountFromSuri}. */
export interface Account {
  /** AccountId, 32 bytes. */
  readonly id: Hex;
  /** sr25519 signature over an extrinsic's payload. */
  sign(payload: Uint8Array): Uint8Array;
}

/** An extrinsic with its signature: whoever keeps it can find out later what became of it. */
export interface SignedExtrinsic {
  /** SCALE, as nodes take it. */
  readonly bytes: Uint8Array;
  /** blake2_256 of the bytes. */
  readonly hash: Hex;
  /** The account that signed and pays. */
  readonly account: Hex;
  /** Of the account. */
  readonly nonce: number;
  /** Blocks after this one may contain it … */
  readonly anchor: BlockNumber;
  /** … but not this one nor any later. */
  readonly death: BlockNumber;
}

export interface PostOptions {
  /**
   * What becomes of several calls where one fails. all (default): all or none. each: the others stand, and
   * `Inclusion.failures` lists those that failed.
   */
  readonly batch?: 'all' | 'each';
  /** Above the fee, to go first where blocks are full, in the smallest unit. Default 0. */
  readonly tip?: bigint;
  /**
   * Awaited with what was signed before any node gets it, so that it can be kept. Called again where a node refused it for
   * its nonce or its age and it was signed anew: then the former was taken by nobody.
   */
  readonly beforePost?: (extrinsic: SignedExtrinsic) => Promise<void>;
  readonly signal?: AbortSignal;
}

export interface FollowOptions {
  /** Resolve when the extrinsic is in a best block (default) or finalized. */
  readonly waitFor?: 'inBlock' | 'finalized';
  /** Told of each block that it is in, and of undefined where a reorg took that away. */
  readonly onInclusion?: (inclusion: Inclusion | undefined) => void;
  readonly signal?: AbortSignal;
}

/** What an extrinsic takes of the account and of a block. */
export interface ExtrinsicCost {
  /** Without tip, in the smallest unit, as of the best head. */
  readonly fee: bigint;
  /** Picoseconds. */
  readonly refTime: bigint;
  /** Bytes. */
  readonly proofSize: bigint;
}

/** Counts what goes into one extrinsic, up to what a block takes. */
export interface BatchRoom {
  /** Whether a message with a payload of so many bytes still fits; if so it is counted. The first one always fits. */
  take(payloadBytes: number): boolean;
}

export interface SubmitOptions {
  /**
   * What becomes of several calls where one fails. all (default): all or none. each: the others stand, and
   * `Inclusion.failures` lists those that failed.
   */
  readonly batch?: 'all' | 'each';
  /** Resolve when the extrinsic is in a best block (default) or finalized. */
  readonly waitFor?: 'inBlock' | 'finalized';
  /** Above the fee, in the smallest unit. Default 0. */
  readonly tip?: bigint;
  readonly signal?: AbortSignal;
}

/** A call of a batch that the chain refused while others of it stand. */
export interface ItemFailure {
  /** Place among the calls given. */
  readonly index: number;
  readonly pallet: string;
  readonly error: string;
}

export interface Inclusion {
  /** Only with batch each: calls that failed. */
  readonly failures?: readonly ItemFailure[];
  /** dispatch-failed, where the extrinsic as a whole failed: its fee is paid, its nonce used, and nothing else done. */
  readonly failure?: RelayError;
  /** True: no node has the state of its block any more, so whether its calls failed can't be known. */
  readonly isOutcomeUnknown?: boolean;
  readonly extrinsicHash: Hex;
  readonly blockHash: Hex;
  readonly blockNumber: BlockNumber;
}

/** What the node told of itself when the connection was made. */
export interface ChainInfo {
  readonly chainName: string;
  /** As the node says: Development, Local, Live; undefined where it says something else or nothing. */
  readonly chainType: string | undefined;
  readonly specName: string;
  readonly specVersion: number;
  readonly ss58Prefix: number;
  readonly tokenSymbol: string;
  readonly tokenDecimals: number;
  /** Most bytes of a normal extrinsic, from `System.BlockLength`. */
  readonly maxExtrinsicBytes: number;
  /** Whether workers may register without attestation. */
  readonly noneAttestationEnabled: boolean;
}

/** A connection to a Khala-compatible chain, over one endpoint at a time. */
export interface Chain extends AsyncDisposable {
  readonly genesisHash: Hex;
  readonly info: ChainInfo;
  /** True where the node is reached on a loopback or private address: a dev chain. */
  readonly isLocal: boolean;
  /** What `agreed` of heads comes to: quorum where the connection has several endpoints. */
  readonly trust: Trust;
  finalizedHead(signal?: AbortSignal): Promise<Head>;
  /** The newest finalized block that `quorum` endpoints agree on. Throws no-quorum after `timeoutMs`, endpoints-disagree. */
  agreedHead(signal?: AbortSignal): Promise<Head>;
  bestHead(signal?: AbortSignal): Promise<Head>;
  /** On the branch of the best head. undefined where there is no such block yet. */
  headAt(number: BlockNumber, signal?: AbortSignal): Promise<Head | undefined>;
  /** Every block once, in order, gaps filled; survives reconnects. Errors only with what no reconnect can mend. */
  finalizedHeads$(options?: Omit<HeadsOptions, 'finality'>): Observable<HeadEvent>;
  /** The same of best blocks, with `retracted` for those that a reorg takes. */
  bestHeads$(options?: Pick<HeadsOptions, 'from' | 'after'>): Observable<HeadEvent>;
  /** The same, pulled: a consumer that awaits between two heads holds the reading back. Throws aborted, chain-stopped. */
  headEvents(options?: HeadsOptions, signal?: AbortSignal): AsyncGenerator<HeadEvent, never>;
  at(hash: Hex): BlockView;
  /** Throws state-discarded where no endpoint has such a block. */
  headOf(hash: Hex, signal?: AbortSignal): Promise<Head>;
  /** Decoded by the metadata of the node in use, which nothing proves. */
  readonly provenWorkers: ProvenWorkers;
  /**
   * As `provenWorkers`, decoded by metadata that `quorum` endpoints agree on; waits for them. Throws endpoints-disagree,
   * no-quorum too.
   */
  readonly agreedWorkers: ProvenWorkers;
  readonly messages: Messages;
  /** What the node in use offers. Throws rpc-failed, chain-unreachable, aborted. */
  capabilities(signal?: AbortSignal): Promise<NodeCapabilities>;
  /** Whether `account` is the sudo key of the chain. */
  isSudo(account: Hex, signal?: AbortSignal): Promise<boolean>;
  /**
   * Signs and submits `calls` as one extrinsic (a batch where there are several; through sudo where a call needs root).
   * Throws dispatch-failed with the chain's own error name, extrinsic-rejected, extrinsic-too-large, chain-unreachable.
   */
  submit(calls: readonly Call[], account: Account, options?: SubmitOptions): Promise<Inclusion>;
  /**
   * The first half of `submit`: resolves when a node took the extrinsic, or may have before its connection broke. Throws
   * bad-topic, no-calls, sudo-required, balance-too-low, pool-full, nonce-conflict, extrinsic-rejected, extrinsic-too-large,
   * dispatch-failed with BadSequence for a worker's message that comes too late, unsupported-runtime, chain-unreachable: then
   * it is in no pool.
   */
  post(calls: readonly Call[], account: Account, options?: PostOptions): Promise<SignedExtrinsic>;
  /**
   * The second half, also for an extrinsic that an earlier process posted, or was about to: looks into blocks, and posts the
   * same bytes again where no block has them. Throws extrinsic-expired, nonce-conflict, extrinsic-rejected when they can not
   * come in any more; fate-unknown where it can't be known whether they did.
   */
  follow(extrinsic: SignedExtrinsic, options?: FollowOptions): Promise<Inclusion>;
  /** What these calls would cost as one extrinsic. */
  costOf(
    calls: readonly Call[],
    account: Pick<Account, 'id'>,
    options?: Pick<PostOptions, 'batch' | 'signal'>,
  ): Promise<ExtrinsicCost>;
  /** How many messages to one topic fit into an extrinsic. */
  batchRoom(
    kind: 'push-message' | 'sync-offchain-message',
    account: Pick<Account, 'id'>,
    signal?: AbortSignal,
  ): Promise<BatchRoom>;
  /** Idempotent. */
  stop(): Promise<void>;
}
