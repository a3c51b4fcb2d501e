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
    const included: Hex[] = [];
    const rejected: (readonly [Hex, string])[] = [];
    let candidates = plan.extrinsics;
    let outcome = await this.#attempt(plan, state, start, candidates);
    while (outcome === undefined) {
      // Something in it was refused. The longest beginning that is not, by halves: refusals are rare.
      let good = 0;
      let bad = candidates.length;
      while (bad - good > 1) {
        const middle = (good + bad) >> 1;
        const tried = await this.#attempt(plan, state, start, [...included, ...candidates.slice(0, middle)]);
        if (tried === undefined) bad = middle;
        else good = middle;
      }
      const culprit = candidates[good];
      if (culprit === undefined) throw blockFailed(plan, 'the runtime refuses an empty block');
      included.push(...candidates.slice(0, good));
      const refusal = await this.#refusal(state, [...start, ...included.map(apply), apply(culprit)]);
      // What does not even fit into a block of its own never will.
      if (refusal.exhausted && included.length > 0) candidates = [];
      else {
        candidates = candidates.slice(good + 1);
        rejected.push([culprit, refusal.reason]);
      }
      outcome = await this.#attempt(plan, state, start, [...included, ...candidates]);
    }
    included.push(...candidates);
    return { block: await this.#finish(plan, state, start, included, outcome), included, rejected };
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
    before: ChainState,
    start: readonly RuntimeCall[],
    included: readonly Hex[],
    outcome: CallOutcome,
  ): Promise<DevBlock> {
    const state = before.with(outcome.storageDiff).with(plan.overrides);
    const runtime = await this.#runtimes.of(state);
    const header = { ...decodeHeader(outcome.result), stateRoot: state.root(plan.parent.runtime.stateVersion) };
    const first = start.flatMap(([method, args]) => (method === applyMethod ? args : []));
    return {
      hash: bytesToHex(this.#hashing.blake2b256(hexToBytes(encodeHeader(header)))),
      number: header.number,
      header,
      extrinsics: [...first, ...included],
      timestamp: plan.timestamp,
      runtime,
      state,
    };
  }
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
