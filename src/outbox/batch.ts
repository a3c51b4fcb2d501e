import type { Account, Call } from '../chain/index.ts';
import { asRelayError, RelayError } from '../errors/index.ts';
import type { SignedMessage } from './flight.ts';
import { isFinished, topicOfMessage, type MessageRecord } from './message-record.ts';
import { Change, type Stored } from './outbox-change.ts';
import { sealStored, type Sealed } from './seal-kept.ts';
import type { Filler } from './sequence-gap.ts';
import type { SendId } from './send-id.ts';
import type { ChainWork } from './work.ts';

/** Messages looked at for one extrinsic; more of the least size fit into none. */
const pageSize = 4_096;
const feeStepBytes = 1_024;

/** What goes into one extrinsic. */
export interface Batch {
  readonly as: 'worker' | 'account';
  readonly items: readonly BatchItem[];
  /** Go among the items, each where its sequence is. */
  readonly fillers?: readonly Filler[];
}

/** Of an extrinsic, in its order. */
export function callsOf({ items, fillers = [] }: Batch): Call[] {
  const calls = [...items, ...fillers].map(({ call }) => call);
  return fillers.length === 0 ? calls : calls.sort((a, b) => (sequenceOf(a) < sequenceOf(b) ? -1 : 1));
}

function sequenceOf(call: Call): bigint {
  return call.kind === 'sync-offchain-message' ? call.sequence : 0n;
}

export interface BatchItem extends Sealed {
  readonly call: Call;
  /** Of a worker's message that is signed now. */
  readonly signed?: SignedMessage;
}

/** What an extrinsic may hold beside the chain's own limits. */
export interface BatchLimit {
  /** Fillers are counted with them. */
  readonly messages: number;
  /** Messages of an account that must not be signed now: what is behind them waits too. Default: none. */
  readonly held?: ReadonlySet<SendId>;
}

/** The oldest messages of an account that fit into one extrinsic, up to the first that is held. undefined: there are none. */
export async function accountBatch(work: ChainWork, limit: BatchLimit): Promise<Batch | undefined> {
  const sealed = await sealQueued(work, 'account', limit);
  if (sealed.length === 0) return undefined;
  return { as: 'account', items: sealed.map((each) => ({ ...each, call: pushCall(each) })) };
}

/** Seals what fits, oldest first. Messages that can not be sealed, or cost too much, fail on the way. */
export async function sealQueued(work: ChainWork, as: 'worker' | 'account', limit: BatchLimit): Promise<Sealed[]> {
  const { chain, account, signal } = work;
  if (account === undefined) return [];
  const own = await ownOf(work, as, account, Math.min(pageSize, limit.messages));
  const firstHeld = own.findIndex(({ id }) => limit.held?.has(id));
  const waiting = firstHeld < 0 ? own : own.slice(0, firstHeld);
  if (waiting.length === 0) return [];
  const room = await chain.batchRoom(as === 'worker' ? 'sync-offchain-message' : 'push-message', account, signal);
  const fees = new FeeTable(work);
  const sealed: Sealed[] = [];
  for (const stored of waiting) {
    if (isFinished(stored.record.progress)) {
      // An earlier version could leave the place of what had gone another way.
      await work.save(new Change().unqueue(stored, as), [stored], []);
      continue;
    }
    if (!room.take(payloadBytes(stored.record))) break;
    try {
      await fees.check(stored);
      sealed.push(await sealStored(work, stored));
    } catch (error) {
      // What is sealed goes; the next batch tells of what is in the way.
      if (!isOfMessage(error) && sealed.length > 0) break;
      if (!isOfMessage(error)) throw error;
      await work.finish([[stored, { state: 'failed', error: asRelayError(error, 'outbox-setback') }]]);
    }
  }
  return sealed;
}

/** The oldest that this account may send: those of another wait for it, and no other waits behind them. */
async function ownOf(work: ChainWork, as: 'worker' | 'account', { id }: Account, limit: number): Promise<Stored[]> {
  if (as === 'worker') return work.chainStore.waitingAsWorker(limit);
  for (const queuedBy of await work.chainStore.otherAccounts(id)) work.otherAccount(queuedBy);
  return work.chainStore.waitingAs(id, limit);
}

/** Header, iv, tag, lengths and variants round a body. */
const envelopeOverhead = 1 + 145 + 12 + 4 + 16;

/** Of what goes on chain. */
export function payloadBytes({ suite, bodyBytes }: Pick<MessageRecord, 'suite' | 'bodyBytes'>): number {
  return suite === 'phala' ? bodyBytes : bodyBytes + envelopeOverhead;
}

/** What is wrong with one message and not with the transport. */
const ofMessage: ReadonlySet<string> = new Set([
  ...['unknown-recipient', 'unproven-key', 'bad-public-key', 'bad-shared-secret', 'kept-open-failed', 'fee-too-high'],
  ...['from-self', 'truncated', 'unknown-variant'],
]);

function isOfMessage(error: unknown): boolean {
  return error instanceof RelayError && ofMessage.has(error.code);
}

function pushCall({ stored, envelope }: Sealed): Call {
  return { kind: 'push-message', destination: topicOfMessage(stored.record), payload: envelope };
}

/** Fees of messages alone in an extrinsic: more than their share of a batch. */
class FeeTable {
  readonly #work: ChainWork;
  readonly #fees = new Map<string, Promise<bigint>>();

  constructor(work: ChainWork) {
    this.#work = work;
  }

  /** Throws fee-too-high. */
  async check({ record }: Stored): Promise<void> {
    const { maxFee } = record;
    if (maxFee === undefined) return;
    const bytes = payloadBytes(record);
    // Few sizes are asked for where messages are of many: only what the next one up would cost too much is asked for by itself.
    if ((await this.#feeOf(record, Math.ceil(bytes / feeStepBytes) * feeStepBytes)) <= maxFee) return;
    const fee = await this.#feeOf(record, bytes);
    if (fee > maxFee) throw new RelayError('fee-too-high', { details: { fee, maxFee } });
  }

  #feeOf(record: MessageRecord, bytes: number): Promise<bigint> {
    const { as } = record;
    const destination = topicOfMessage(record);
    const key = [as, destination.length, bytes].join();
    let fee = this.#fees.get(key);
    if (fee === undefined) this.#fees.set(key, (fee = feeOf(this.#work, { as, destination, bytes })));
    return fee;
  }
}

interface MessageSize {
  readonly as: 'worker' | 'account';
  readonly destination: Uint8Array;
  /** Of the payload. */
  readonly bytes: number;
}

/** What a message would cost alone, in the smallest unit. Throws no-account, aborted. */
export async function feeOf(
  { chain, account, vault, signal }: Pick<ChainWork, 'chain' | 'account' | 'vault' | 'signal'>,
  { as, destination, bytes }: MessageSize,
): Promise<bigint> {
  if (account === undefined) throw new RelayError('no-account');
  const message = { destination, payload: new Uint8Array(bytes) };
  const call: Call =
    as === 'account'
      ? { kind: 'push-message', ...message }
      : {
          kind: 'sync-offchain-message',
          worker: vault.identity,
          ...message,
          sequence: 0n,
          signature: new Uint8Array(64),
        };
  return (await chain.costOf([call], account, { signal })).fee;
}
