import {
  postedTogether,
  signedMessagesIn,
  type BlockId,
  type BlockNumber,
  type Chain,
  type Head,
  type MessageCalls,
  type MessageSpan,
  type SignedWorkerMessage,
} from '../chain/index.ts';
import { fromHex, isWellFormedTopic, messageId, type Hex } from '../codec/index.ts';
import { verify } from '../crypto/core.ts';
import { isRelayError, RelayError, type ErrorCode } from '../errors/index.ts';
import type { Bounds, Ends, Run, Step } from './accepted-in-bodies.ts';
import { sequenceAt } from './worker-sequence.ts';

type MissingSpan = Extract<MessageSpan, { readonly type: 'missing' }>;

/** Blocks whose state is gone, and what the blocks around them say. */
export interface UnreadableBlocks {
  readonly first: BlockNumber;
  readonly last: BlockId;
  /** The worker's next sequence after the block behind the last of them, whose state is there. */
  readonly after: bigint;
  /** By the runtime that executed that block. */
  readonly calls: MessageCalls;
  readonly hashAt: MissingSpan['hashAt'];
}

/** Whose messages are looked for, and where. */
export interface Asked {
  readonly chain: Chain;
  readonly worker: Hex;
  readonly signal: AbortSignal;
}

/** Bodies asked for at once. */
const bodiesInFlight = 8;

/** Of a sequence of which nothing is known. */
export const unknown: Bounds = { least: 0n, most: 2n ** 64n };

/** What says nothing of the block that was asked for. */
const ofAllBlocks = new Set<ErrorCode>(['aborted', 'chain-stopped', 'chain-unreachable', 'node-lies']);

/** The worker's next sequence after a block; unknown where it can't be read. */
export async function nextAfter(asked: Asked, block: Hex): Promise<Bounds> {
  try {
    const next = await nextSequence(asked, block);
    return { least: next, most: next };
  } catch (error) {
    if (!isRelayError(error) || ofAllBlocks.has(error.code)) throw error;
    return unknown;
  }
}

/**
 * The node goes on forgetting: what it forgets next is counted among them, up to half of what follows, and half of what is left
 * where even that block is gone.
 */
export async function unreadableBlocks(
  asked: Asked,
  { first, through, hashAt }: MissingSpan,
  finalized: Head,
): Promise<UnreadableBlocks> {
  const newest = finalized.number - 1;
  let last = through.number + Math.floor(Math.max(0, newest - through.number) / 2);
  for (;;) {
    const [hash, next] = [await hashAt(last), await hashAt(last + 1)];
    if (hash === undefined || next === undefined)
      throw new RelayError('outbox-setback', { details: { reason: 'the chain grows meanwhile' } });
    try {
      const [after, calls] = [await nextSequence(asked, next), await asked.chain.at(next).messageCalls(asked.signal)];
      return { first, last: { number: last, hash }, after, calls, hashAt };
    } catch (error) {
      if (!isRelayError(error, 'state-discarded') || last >= newest) throw error;
      last += Math.ceil((newest - last) / 2);
    }
  }
}

/** What the extrinsics of these blocks may have let in, and those of the block behind them, as far as the ends leave room for it. */
export async function stepsIn(asked: Asked, unreadable: UnreadableBlocks, ends: Ends): Promise<Step[]> {
  const bodies = await bodiesOf(asked, unreadable);
  // Of which the runtime is known.
  const known = bodies.slice(0, -1).findLastIndex((body) => body === 'gone' || body.hasNewRuntime) + 1;
  const steps: Step[] = [];
  bodies.forEach((body, i) => {
    if (body !== 'gone')
      for (const extrinsic of body.extrinsics) {
        const calls = i < known ? undefined : unreadable.calls;
        steps.push(...runsIn(asked, extrinsic, { calls, ends, block: body.block }));
      }
    else if (steps.at(-1) !== 'gone') steps.push('gone');
  });
  return steps;
}

interface Body {
  readonly block: BlockId;
  /** Those that name the worker. */
  readonly extrinsics: readonly Hex[];
  readonly hasNewRuntime: boolean;
}

async function bodiesOf(asked: Asked, { first, last, hashAt }: UnreadableBlocks): Promise<(Body | 'gone')[]> {
  const bodies: (Body | 'gone')[] = [];
  for (let number = first; number <= last.number + 1; number += bodiesInFlight) {
    const blocks: (BlockId | undefined)[] = [];
    for (let each = number; each < number + bodiesInFlight && each <= last.number + 1; each++) {
      const hash = await hashAt(each);
      blocks.push(hash && { number: each, hash });
    }
    bodies.push(...(await Promise.all(blocks.map((block) => bodyOf(asked, block)))));
  }
  return bodies;
}

/** gone where no node has it, or the block. */
async function bodyOf({ chain, worker, signal }: Asked, block: BlockId | undefined): Promise<Body | 'gone'> {
  const body = block && (await chain.at(block.hash).body(signal).catch(noneWhereForgotten));
  if (block === undefined || body === undefined) return 'gone';
  const extrinsics = body.extrinsics.filter((extrinsic) => extrinsic.includes(worker.slice(2)));
  return { block, extrinsics, hasNewRuntime: body.hasNewRuntime };
}

async function nextSequence({ chain, worker, signal }: Asked, block: Hex): Promise<bigint> {
  if (chain.trust === 'single') return chain.at(block).ingressSequence(worker, signal);
  return sequenceAt({ chain, vault: { identity: worker }, signal }, await chain.headOf(block, signal));
}

/** `calls`: undefined where the runtime is not known. */
function runsIn(
  { chain: { genesisHash }, worker }: Asked,
  extrinsic: Hex,
  { calls, ends, block }: { readonly calls: MessageCalls | undefined; readonly ends: Ends; readonly block: BlockId },
): Run[] {
  const mayComeIn = ({ sequence, content, signature }: SignedWorkerMessage): boolean =>
    sequence >= ends.before.least && sequence < ends.after && verify(fromHex(worker), content, signature);
  const idOf = ({ payload }: SignedWorkerMessage): Hex => messageId({ genesisHash, envelope: payload });
  const together = calls && postedTogether(extrinsic, worker, calls);
  // Whatever else it does may fail, or its calls may be refused.
  if (calls === undefined || together === undefined)
    return signedMessagesIn(extrinsic, worker)
      .filter(mayComeIn)
      .map((each) => ({ first: each.sequence, ids: [idOf(each)], block, isSure: false }));
  const [{ sequence: first } = { sequence: 0n }] = together;
  const isWhole = together.every((each, i) => each.sequence === first + BigInt(i) && mayComeIn(each));
  if (together.length === 0 || !isWhole) return [];
  const isSure =
    !calls.mayPause &&
    together.length <= calls.mostCalls &&
    together.every(({ destination }) => isWellFormedTopic(destination));
  return [{ first, ids: together.map(idOf), block, isSure }];
}

function noneWhereForgotten(error: unknown): undefined {
  if (!isRelayError(error, 'state-discarded')) throw error;
}
