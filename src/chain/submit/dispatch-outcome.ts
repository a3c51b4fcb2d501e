import type { Codec } from '@polkadot/types/types';
import { RelayError } from '../../errors/index.ts';
import type { ItemFailure } from './submission.ts';
import type { Runtime } from '../runtime/runtime.ts';

/** What the chain says of a failed dispatch. */
export interface DispatchFailure {
  /** As in the metadata, e.g. PhalaMq; `Dispatch` for errors of no pallet. */
  readonly pallet: string;
  readonly error: string;
  readonly docs: string;
}

interface EventRecord {
  readonly phase: { readonly isApplyExtrinsic: boolean; readonly asApplyExtrinsic: { toNumber(): number } };
  readonly event: { readonly section: string; readonly method: string; readonly data: readonly Codec[] };
}

interface DispatchErrorLike {
  readonly type: string;
  readonly value: Codec & { readonly type?: string };
  readonly isModule: boolean;
  readonly asModule: { readonly index: { toNumber(): number } };
}

interface ResultLike {
  readonly isErr: boolean;
  readonly asErr: DispatchErrorLike;
}

/** Where events of wrapping calls carry the result of what they wrapped. */
const wrappedResults: Readonly<Record<string, number>> = {
  'sudo.Sudid': 0,
  'sudo.SudoAsDone': 0,
  'proxy.ProxyExecuted': 0,
  'multisig.MultisigExecuted': 4,
  'utility.DispatchedAs': 0,
};

export interface Outcome {
  /** Items that a `forceBatch` left out. */
  readonly failures: readonly ItemFailure[];
  /** dispatch-failed, where the extrinsic failed as a whole. */
  readonly failure: RelayError | undefined;
}

/**
 * What became of the extrinsic at `index`, from its block's events. An extrinsic may succeed while what it wraps fails:
 * that is a failure too.
 */
export function outcomeOf(runtime: Runtime, events: Uint8Array, index: number): Outcome {
  const type = runtime.storage('System', 'Events')?.valueType ?? 'Vec<EventRecord>';
  const records = runtime.decode(type, events) as unknown as Iterable<EventRecord>;
  const failures: ItemFailure[] = [];
  let item = 0;
  const failedBy = (error: unknown): Outcome => ({
    failures: [],
    failure: failed(describe(runtime, error as DispatchErrorLike)),
  });
  for (const { phase, event } of records) {
    if (!phase.isApplyExtrinsic || phase.asApplyExtrinsic.toNumber() !== index) continue;
    const name = `${event.section}.${event.method}`;
    const [first, second] = event.data;
    if (name === 'system.ExtrinsicFailed') return failedBy(first);
    if (name === 'utility.BatchInterrupted') return failedBy(second);
    if (name === 'utility.ItemCompleted') item++;
    if (name === 'utility.ItemFailed') {
      const { pallet, error } = describe(runtime, first as unknown as DispatchErrorLike);
      failures.push({ index: item++, pallet, error });
    }
    const at = wrappedResults[name];
    const result = at === undefined ? undefined : (event.data[at] as unknown as ResultLike);
    if (result?.isErr === true) return failedBy(result.asErr);
  }
  return { failures, failure: undefined };
}

function describe(runtime: Runtime, error: DispatchErrorLike): DispatchFailure {
  if (!error.isModule)
    return error.value.type === undefined
      ? { pallet: 'Dispatch', error: error.type, docs: 'it comes from the runtime itself.' }
      : { pallet: error.type, error: error.value.type, docs: 'it comes from the runtime itself.' };
  const { name, docs } = runtime.registry.findMetaError(error.asModule as never);
  const index = error.asModule.index.toNumber();
  return { pallet: runtime.palletName(index), error: name, docs: docs.join(' ').trim() || 'it has no description.' };
}

export function failed({ pallet, error, docs }: DispatchFailure): RelayError {
  return new RelayError('dispatch-failed', { details: { pallet, error, docs } });
}
