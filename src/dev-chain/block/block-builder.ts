import type { Hex } from '../../codec/hex.ts';
import { asRelayError, RelayError } from '../../errors/index.ts';
import type { Executor } from '../executor/executor.ts';
import type { CallOutcome, RuntimeCall, StorageDiff } from '../executor/protocol.ts';
import type { Runtimes } from '../executor/runtime.ts';
import type { Hashing } from '../hashing.ts';
import { hexToBytes, bytesToHex } from '../hex.ts';
import { decodeApplied, type Refusal } from '../pool/validity.ts';
import type { ChainState } from '../state/chain-state.ts';
import type { DevBlock } from './block.ts';
import { extrinsicsRoots } from './extrinsics-root.ts';
import { decodeHeader, encodeHeader, zeroHash, type Header } from './header.ts';
import { inherents } from './inherents.ts';

export interface BlockPlan {
  readonly parent: DevBlock;
  readonly timestamp: number;
  /** In the order of the block. */
  readonly extrinsics: readonly Hex[];
  /** Digest items to start with. */
  readonly logs: readonly Hex[];
  /** Written into the state after the block, past the runtime. */
  readonly overrides: StorageDiff;
}

export interface BuiltBlock {
  readonly block: DevBlock;
  /** What makes its state of its parent's. */
  readonly changes: StorageDiff;
  readonly included: readonly Hex[];
  /** Left out for good. */
  readonly rejected: readonly (readonly [extrinsic: Hex, reason: string])[];
}

/** Builds blocks with the runtime's own BlockBuilder. */
export class BlockBuilder {
  readonly #executor: Executor;
  readonly #runtimes: Runtimes;
  readonly #hashing: Hashing;

  constructor(executor: Executor, runtimes: Runtimes, hashing: Hashing) {
    this.#executor = executor;
    this.#runtimes = runtimes;
    this.#hashing = hashing;
  }

  /** What does not fit into the block is in none of the lists. Throws dev-block-failed. */
  async build(plan: BlockPlan): Promise<BuiltBlock> {
    const state = stateOf(plan.parent);
    const start = this.#start(plan);
    const attempt = (extrinsics: readonly Hex[]): Promise<CallOutcome | undefined> =>
      this.#attempt(plan, state, start, extrinsics);
    const rejected: (readonly [Hex, string])[] = [];
    let extrinsics = plan.extrinsics;
    let outcome = await attempt(extrinsics);
    while (outcome === undefined) {
      const taken = await longestTaken(extrinsics, attempt);
      const culprit = extrinsics[taken.count];
      if (culprit === undefined) throw blockFailed(plan, 'the runtime refuses an empty block');
      const before = extrinsics.slice(0, taken.count);
      const refusal = await this.#refusal(state, [...start, ...before.map(apply), apply(culprit)]);
      // What does not even fit into a block of its own never will.
      const isFull = refusal.exhausted && taken.count > 0;
      if (!isFull) rejected.push([culprit, refusal.reason]);
      const after = isFull ? [] : extrinsics.slice(taken.count + 1);
      extrinsics = [...before, ...after];
      outcome = after.length === 0 && taken.count > 0 ? taken.outcome : await attempt(extrinsics);
    }
    const changes = [...outcome.storageDiff, ...plan.overrides];
    const block = await this.#finish(plan, state.with(changes), start, extrinsics, outcome.result);
    return { block, changes, included: extrinsics, rejected };
  }

  /** What would become of an extrinsic in the next block: `ApplyExtrinsicResult`, SCALE. */
  async dryRun(plan: BlockPlan, extrinsic: Hex): Promise<Hex> {
    const calls = [...this.#start(plan), apply(extrinsic)];
    return (await this.#executor.run(plan.parent.runtime.code, calls, stateOf(plan.parent))).result;
  }

  #start(plan: BlockPlan): RuntimeCall[] {
    const header: Header = {
      parentHash: plan.parent.hash,
      number: plan.parent.number + 1,
      stateRoot: zeroHash,
      extrinsicsRoot: zeroHash,
      logs: plan.logs,
    };
    const first = inherents(plan.parent.runtime, plan.timestamp);
    return [['Core_initialize_block', [encodeHeader(header)]], ...first.map(apply)];
  }

  /** Undefined unless all of the extrinsics are in the block: its root tells, one call instead of one for each. */
  async #attempt(
    plan: BlockPlan,
    state: ChainState,
    start: readonly RuntimeCall[],
    extrinsics: readonly Hex[],
  ): Promise<CallOutcome | undefined> {
    const calls: RuntimeCall[] = [...start, ...extrinsics.map(apply), ['BlockBuilder_finalize_block', []]];
    let outcome: CallOutcome;
    try {
      outcome = await this.#executor.run(plan.parent.runtime.code, calls, state);
    } catch (error) {
      if (extrinsics.length > 0 && error instanceof RelayError && error.code === 'dev-executor-failed')
        return undefined;
      throw asRelayError(error, 'dev-block-failed', { block: plan.parent.number + 1 });
    }
    const all = [...start.flatMap(([method, args]) => (method === applyMethod ? args : [])), ...extrinsics];
    const { extrinsicsRoot } = decodeHeader(outcome.result);
    return extrinsicsRoots(all, this.#hashing).includes(extrinsicsRoot) ? outcome : undefined;
  }

  async #refusal(state: ChainState, calls: readonly RuntimeCall[]): Promise<Refusal> {
    try {
      const runtime = await this.#runtimes.of(state);
      const { result } = await this.#executor.run(runtime.code, calls, state);
      return decodeApplied(result) ?? { invalid: true, reason: 'the block did not take it', exhausted: false };
    } catch (error) {
      return { invalid: true, reason: asRelayError(error, 'dev-executor-failed').message, exhausted: false };
    }
  }

  async #finish(
    plan: BlockPlan,
    state: ChainState,
    start: readonly RuntimeCall[],
    included: readonly Hex[],
    encodedHeader: Hex,
  ): Promise<DevBlock> {
    const runtime = await this.#runtimes.of(state);
    const { stateVersion } = plan.parent.runtime;
    const header = { ...decodeHeader(encodedHeader), stateRoot: state.root(stateVersion) };
    const first = start.flatMap(([method, args]) => (method === applyMethod ? args : []));
    return {
      hash: bytesToHex(this.#hashing.blake2b256(hexToBytes(encodeHeader(header)))),
      number: header.number,
      header,
      extrinsics: [...first, ...included],
      timestamp: plan.timestamp,
      runtime,
      stateVersion,
      state,
    };
  }
}

/** The longest beginning of the list that is taken, found by halves: refusals are rare. */
async function longestTaken(
  extrinsics: readonly Hex[],
  attempt: (extrinsics: readonly Hex[]) => Promise<CallOutcome | undefined>,
): Promise<{ readonly count: number; readonly outcome: CallOutcome | undefined }> {
  let longest: { count: number; outcome: CallOutcome | undefined } = { count: 0, outcome: undefined };
  let refused = extrinsics.length;
  while (refused - longest.count > 1) {
    const count = (longest.count + refused) >> 1;
    const outcome = await attempt(extrinsics.slice(0, count));
    if (outcome === undefined) refused = count;
    else longest = { count, outcome };
  }
  return longest;
}

const applyMethod = 'BlockBuilder_apply_extrinsic';

function apply(extrinsic: Hex): RuntimeCall {
  return [applyMethod, [extrinsic]];
}

function stateOf(block: DevBlock): ChainState {
  if (block.state !== undefined) return block.state;
  throw new RelayError('dev-block-failed', {
    details: { block: block.number + 1, reason: `the state of block ${block.number} was dropped` },
  });
}

function blockFailed(plan: BlockPlan, reason: string): RelayError {
  return new RelayError('dev-block-failed', { details: { block: plan.parent.number + 1, reason } });
}
