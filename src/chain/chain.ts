import type { Observable } from 'rxjs';
import type { Hex } from '../codec/index.ts';
import type { BlockNumber } from './block-number.ts';
import type { Head, HeadEvent, HeadsOptions } from './head/head.ts';
import type { Messages, OutboundMessage } from './messages/messages.ts';
import type { NodeCapabilities } from './probe/capabilities.ts';
import type { NodeFault } from './rpc/node-faults.ts';
import type { Trust } from './quorum/trust.ts';
import type { BlockBody } from './storage/body-reader.ts';
import type { TouchedWorkers, WorkerRecord, WorkerRow, WorkerRows } from './storage/worker.ts';
import type {
  Account,
  BatchRoom,
  Call,
  ExtrinsicCost,
  ExtrinsicFacts,
  Fates,
  FollowOptions,
  Inclusion,
  PostOptions,
  SignedExtrinsic,
  SubmitOptions,
} from './submit/submission.ts';
import type { MessageCalls } from './submit/message-calls.ts';
import type { ProvenWorkers } from './trie/workers-by-proofs.ts';

/** Reads at one block hash; never at "latest". Throws state-discarded, chain-unreachable, bad-storage. */
export interface BlockView {
  readonly hash: Hex;
  /** Of `OutboundMessages`, in order. */
  outboundMessages(signal?: AbortSignal): Promise<OutboundMessage[]>;
  /** SCALE of each, as hex, in order. Nodes keep them for longer than the state. */
  extrinsics(signal?: AbortSignal): Promise<readonly Hex[]>;
  /** The same, with whether the next block has another runtime. */
  body(signal?: AbortSignal): Promise<BlockBody>;
  /** Next expected sequence of a worker's posts; 0n where it never posted. */
  ingressSequence(worker: Hex, signal?: AbortSignal): Promise<bigint>;
  /** How the runtime that executed the block has signed messages of workers posted. */
  messageCalls(signal?: AbortSignal): Promise<MessageCalls>;
  /** Key that commands to a Phala contract are sealed to, 32 bytes; undefined where the chain knows none. */
  contractKey(contract: Hex, signal?: AbortSignal): Promise<Uint8Array | undefined>;
  /** In the smallest unit; 0n where there is no such account, undefined where the runtime has no accounts. */
  freeBalance(account: Hex, signal?: AbortSignal): Promise<bigint | undefined>;
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
  /** Most bytes of a normal extrinsic, from `System.BlockLength`. An upgrade of the runtime may change it: `batchRoom` tells. */
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
  /** Endpoints that are not used, or used less, each with the reason; oldest first. */
  readonly nodeFaults: readonly NodeFault[];
  /** Those, then each that is found while the connection lasts; completes when it is stopped. */
  readonly nodeFaults$: Observable<NodeFault>;
  finalizedHead(signal?: AbortSignal): Promise<Head>;
  /**
   * The newest finalized block that `quorum` endpoints agree on. Throws no-quorum after `patienceMs` (default `timeoutMs`
   * of the connection), or where too few endpoints are left; endpoints-disagree, bad-value.
   */
  agreedHead(signal?: AbortSignal, patienceMs?: number): Promise<Head>;
  bestHead(signal?: AbortSignal): Promise<Head>;
  /** On the branch of the best head. undefined where there is no such block yet. */
  headAt(number: BlockNumber, signal?: AbortSignal): Promise<Head | undefined>;
  /**
   * Every block once, in order, gaps filled; survives reconnects. Errors only with what no reconnect can mend. Without
   * `agreed` one node is believed: what it made up comes as `retracted` when others show that.
   */
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
  /**
   * As {@link BlockView.ingressSequence}, read by a proof against the state root of a block. Throws proofs-unavailable,
   * node-lies where no endpoint is left, state-discarded, chain-unreachable, bad-storage.
   */
  provenSequence(head: Head, worker: Hex, signal?: AbortSignal): Promise<bigint>;
  readonly messages: Messages;
  /** What the node in use offers. Throws rpc-failed, chain-unreachable, aborted. */
  capabilities(signal?: AbortSignal): Promise<NodeCapabilities>;
  /** Whether `account` is the sudo key of the chain. */
  isSudo(account: Hex, signal?: AbortSignal): Promise<boolean>;
  /**
   * Signs and submits `calls` as one extrinsic (a batch where there are several; through sudo where a call needs root).
   * Throws dispatch-failed with the chain's own error name, extrinsic-rejected, extrinsic-too-large, chain-unreachable.
   * A refusal is the word of one node, which may have passed the extrinsic on all the same: for calls that may come twice,
   * as all that write an entity's own entry. What must not goes by an outbox, or by `post` and `fates`.
   */
  submit(calls: readonly Call[], account: Account, options?: SubmitOptions): Promise<Inclusion>;
  /**
   * The first half of `submit`, for one nonce: resolves when a node took the extrinsic, or may have before its connection
   * broke. Throws bad-topic, no-calls, sudo-required, balance-too-low, pool-full, nonce-conflict, extrinsic-rejected,
   * extrinsic-too-large, extrinsic-expired where blocks come faster than it is posted, rpc-failed where the node stays behind
   * its anchor, chain-forked where a reorg took `after`, node-behind where the node is not so far yet, dispatch-failed with
   * BadSequence for a worker's message that comes too late, unsupported-runtime, chain-unreachable, aborted: then the node says
   * that its pool does not have it, or was not given it. Whether that is so, `fates` tells.
   */
  post(calls: readonly Call[], account: Account, options?: PostOptions): Promise<SignedExtrinsic>;
  /**
   * The second half, also for an extrinsic that an earlier process posted, or was about to: looks into blocks, and posts the
   * same bytes again where no block has them. Throws extrinsic-expired, nonce-conflict, extrinsic-rejected when they can not
   * come in any more; fate-unknown where it can't be known whether they did.
   */
  follow(extrinsic: SignedExtrinsic, options?: FollowOptions): Promise<Inclusion>;
  /**
   * What became of extrinsics that nodes refused, or that were given up: blocks are searched once the nonce is used there, or the
   * era over. `before`: an earlier answer, of which nothing is searched for again that still holds. Throws chain-unreachable,
   * rpc-failed, aborted.
   */
  fates(extrinsics: readonly ExtrinsicFacts[], signal?: AbortSignal, before?: Fates): Promise<Fates>;
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
