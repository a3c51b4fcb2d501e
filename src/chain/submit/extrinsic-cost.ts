import { concatBytes, Writer, type Hex } from '../../codec/index.ts';
import { abortable } from '../abort.ts';
import type { Account, BatchRoom, Call, ExtrinsicCost, PostOptions } from './submission.ts';
import { maxExtrinsicBytes } from '../runtime/block-limits.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { fastFromHex, fastToHex } from '../storage/fast-hex.ts';
import { encodeCalls } from './build-call.ts';
import type { MessageCall } from './encode-message-call.ts';
import { mostCallsOfBatch } from './message-calls.ts';
import { signExtrinsic, unsignedAccount } from './sign-extrinsic.ts';
import type { SubmitSources } from './submit-sources.ts';

type Payer = Pick<Account, 'id'>;

/** Payloads whose weights tell what a byte weighs. */
const sampleBytes = [0, 16_384] as const;
/** Topic (48), lengths, and for a worker sender, sequence and signature: what a message's call has beside its payload. */
const callBytes = { 'push-message': 64, 'sync-offchain-message': 192 } as const;
/** Version, address, signature, extensions, length, and the batch's own: with room to spare. */
const extrinsicBytes = 512;
const topicBytes = 47;

interface Weight {
  readonly refTime: bigint;
  readonly proofSize: bigint;
}

/** In one dimension: an extrinsic, each call of a batch, and each byte of its payload. */
interface WeightModel {
  readonly limit: Weight;
  readonly extrinsic: Weight;
  readonly call: Weight;
  /** For `sampleBytes[1]` bytes. */
  readonly sample: Weight;
}

/** What extrinsics take of accounts and blocks, by the word of the runtime itself. */
export class ExtrinsicCosts {
  readonly #sources: SubmitSources;
  readonly #models = new WeakMap<Runtime, Map<string, Promise<WeightModel>>>();

  constructor(sources: SubmitSources) {
    this.#sources = sources;
  }

  /** `TransactionPaymentApi_query_info`, in the state of the best block. */
  async costOf(
    calls: readonly Call[],
    payer: Payer,
    { batch = 'all', signal }: Pick<PostOptions, 'batch' | 'signal'> = {},
  ): Promise<ExtrinsicCost> {
    const { heads, runtimes, readAt, facts } = this.#sources;
    const best = await heads.best({ signal });
    const runtime = await runtimes.of(best.hash, signal);
    const call = encodeCalls(runtime, calls, batch, facts);
    const { genesisHash } = facts;
    const signing = { runtime, genesisHash, anchor: best, nonce: 0, tip: 0n };
    const { bytes } = signExtrinsic(call, unsignedAccount(payer), signing);
    const argument = concatBytes(bytes, new Writer().u32(bytes.length).finish());
    const method = 'TransactionPaymentApi_query_info';
    const answer = await readAt('state_call', [method, fastToHex(argument), best.hash], best.hash, signal);
    return decodeCost(runtime, answer as Hex);
  }

  async batchRoom(kind: MessageCall['kind'], payer: Payer, signal?: AbortSignal): Promise<BatchRoom> {
    const { heads, runtimes } = this.#sources;
    const runtime = await runtimes.of((await heads.best({ signal })).hash, signal);
    // Others may wait for it too: it goes on without who asked first.
    const model = await abortable(this.#model(runtime, kind, payer), signal);
    const maxCalls = mostCallsOfBatch(runtime);
    const mostBytes = maxExtrinsicBytes(runtime);
    let [calls, bytes] = [0, 0];
    return {
      maxExtrinsicBytes: mostBytes,
      take: (payloadBytes) => {
        const room = { calls: calls + 1, bytes: bytes + payloadBytes };
        const size = extrinsicBytes + room.calls * callBytes[kind] + room.bytes;
        const fits = room.calls <= maxCalls && size <= mostBytes && weighsLittle(model, room.calls, room.bytes);
        if (!fits && calls > 0) return false;
        ({ calls, bytes } = room);
        return true;
      },
    };
  }

  #model(runtime: Runtime, kind: MessageCall['kind'], payer: Payer): Promise<WeightModel> {
    let models = this.#models.get(runtime);
    if (models === undefined) this.#models.set(runtime, (models = new Map<string, Promise<WeightModel>>()));
    let model = models.get(kind);
    if (model === undefined) {
      const known = models;
      model = this.#measure(runtime, kind, payer);
      known.set(kind, model);
      model.catch(() => known.delete(kind));
    }
    return model;
  }

  async #measure(runtime: Runtime, kind: MessageCall['kind'], payer: Payer): Promise<WeightModel> {
    const [empty, full] = sampleBytes.map((bytes) => sampleCall(kind, bytes)) as [Call, Call];
    const [two, three, large] = await Promise.all([
      this.costOf([empty, empty], payer),
      this.costOf([empty, empty, empty], payer),
      this.costOf([empty, full], payer),
    ]);
    const call = less(three, two);
    return {
      limit: extrinsicLimit(runtime),
      extrinsic: less(less(two, call), call),
      call,
      sample: less(large, two),
    };
  }
}

function sampleCall(kind: MessageCall['kind'], bytes: number): Call {
  const message = { destination: new Uint8Array(topicBytes).fill(1), payload: new Uint8Array(bytes) };
  if (kind === 'push-message') return { kind, ...message };
  return { kind, worker: `0x${'00'.repeat(32)}`, ...message, sequence: 0n, signature: new Uint8Array(64) };
}

function weighsLittle({ limit, extrinsic, call, sample }: WeightModel, calls: number, bytes: number): boolean {
  const per = BigInt(sampleBytes[1]);
  return (['refTime', 'proofSize'] as const).every(
    (part) =>
      extrinsic[part] + BigInt(calls) * call[part] + (BigInt(bytes) * sample[part] + per - 1n) / per <= limit[part],
  );
}

/** Of `System.BlockWeights`: the most that one normal extrinsic may weigh. */
function extrinsicLimit(runtime: Runtime): Weight {
  const weights = runtime.constant('system', 'blockWeights')?.toJSON() as
    { perClass?: { normal?: { maxExtrinsic?: JsonWeight | null; maxTotal?: JsonWeight | null } } } | undefined;
  const normal = weights?.perClass?.normal;
  const limit = normal?.maxExtrinsic ?? normal?.maxTotal;
  return limit === null || limit === undefined ? unlimited : toWeight(limit);
}

type JsonWeight = number | string | { readonly refTime?: number | string; readonly proofSize?: number | string };

const unlimited: Weight = { refTime: (1n << 64n) - 1n, proofSize: (1n << 64n) - 1n };

/** Older runtimes weigh time only. */
function toWeight(weight: JsonWeight): Weight {
  if (typeof weight !== 'object') return { refTime: BigInt(weight), proofSize: unlimited.proofSize };
  return {
    refTime: BigInt(weight.refTime ?? unlimited.refTime),
    proofSize: BigInt(weight.proofSize ?? unlimited.proofSize),
  };
}

function less(a: Weight, b: Weight): Weight {
  return { refTime: positive(a.refTime - b.refTime), proofSize: positive(a.proofSize - b.proofSize) };
}

function positive(value: bigint): bigint {
  return value > 0n ? value : 0n;
}

interface DispatchInfo {
  readonly weight: { readonly refTime?: { toBigInt(): bigint }; readonly proofSize?: { toBigInt(): bigint } };
  readonly partialFee: { toBigInt(): bigint };
}

function decodeCost(runtime: Runtime, answer: Hex): ExtrinsicCost {
  const bytes = fastFromHex(answer) ?? new Uint8Array();
  const { weight, partialFee } = runtime.decode('RuntimeDispatchInfo', bytes) as unknown as DispatchInfo;
  return {
    fee: partialFee.toBigInt(),
    refTime: weight.refTime?.toBigInt() ?? (weight as unknown as { toBigInt(): bigint }).toBigInt(),
    proofSize: weight.proofSize?.toBigInt() ?? 0n,
  };
}
