import type { GenericCall } from '@polkadot/types';
import { concatBytes, refuseBadTopic, toHex, type Hex } from '../../codec/index.ts';
import { RelayError } from '../../errors/index.ts';
import type { Call } from './submission.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { encodeBatch, encodeMessageCall } from './encode-message-call.ts';

/** Facts about the chain that a registration repeats. */
export interface RegistrationFacts {
  readonly genesisHash: Hex;
  readonly paraId: number;
}

/** `runtime_version` of workers that khala-relay registers. */
const workerVersion = 1;
const machineId = `0x${'00'.repeat(16)}`;

export function needsRoot(call: Call): boolean {
  return call.kind === 'force-register-worker';
}

/** The chain takes a message to such a topic and drops it without a word. Throws bad-topic. */
export function checkTopic(call: Call): void {
  if (call.kind !== 'push-message' && call.kind !== 'sync-offchain-message') return;
  refuseBadTopic(call.destination);
}

/** SCALE of what an extrinsic does: one call, through sudo where it needs root, or a batch of several. */
export function encodeCalls(
  runtime: Runtime,
  calls: readonly Call[],
  batch: 'all' | 'each',
  facts: RegistrationFacts,
): Uint8Array {
  const encoded = calls.map((call) => encodeCall(runtime, call, facts));
  const [only] = encoded;
  if (only !== undefined && encoded.length === 1) return only;
  return encodeBatch(callIndex(runtime, 'utility', batch === 'all' ? 'batchAll' : 'forceBatch'), encoded);
}

function encodeCall(runtime: Runtime, call: Call, facts: RegistrationFacts): Uint8Array {
  if (call.kind === 'push-message' || call.kind === 'sync-offchain-message')
    return encodeMessageCall(runtime, call) ?? buildCall(runtime, call, facts).toU8a();
  const encoded = buildCall(runtime, call, facts).toU8a();
  return needsRoot(call) ? concatBytes(callIndex(runtime, 'sudo', 'sudo'), encoded) : encoded;
}

function callIndex(runtime: Runtime, section: string, method: string): Uint8Array {
  const index = runtime.callIndex(section, method);
  if (index === undefined)
    throw new RelayError('unsupported-runtime', { details: { reason: `it lacks the call ${section}.${method}` } });
  return index;
}

/** Bytes go in as hex: the library takes a Uint8Array for SCALE with its length in front. */
function buildCall(runtime: Runtime, call: Call, { genesisHash, paraId }: RegistrationFacts): GenericCall {
  switch (call.kind) {
    case 'push-message':
      return make(runtime, 'phalaMq', 'pushMessage', toHex(call.destination), toHex(call.payload));
    case 'sync-offchain-message':
      return make(runtime, 'phalaMq', 'syncOffchainMessage', {
        message: {
          sender: { Worker: call.worker },
          destination: toHex(call.destination),
          payload: toHex(call.payload),
        },
        sequence: call.sequence,
        signature: toHex(call.signature),
      });
    case 'update-worker-endpoint':
      return make(
        runtime,
        'phalaRegistry',
        'updateWorkerEndpoint',
        {
          pubkey: call.identity,
          versionedEndpoints: { V1: call.endpoints },
          signingTime: call.signingTime,
        },
        toHex(call.signature),
      );
    case 'register-worker':
      return make(
        runtime,
        'phalaRegistry',
        'registerWorkerV2',
        {
          version: workerVersion,
          machineId,
          pubkey: call.identity,
          ecdhPubkey: toHex(call.ecdhKey),
          genesisBlockHash: genesisHash,
          features: [],
          operator: call.operator ?? null,
          paraId,
          maxConsensusVersion: 0,
        },
        null,
      );
    case 'force-register-worker':
      return make(
        runtime,
        'phalaRegistry',
        'forceRegisterWorker',
        call.identity,
        toHex(call.ecdhKey),
        call.operator ?? null,
      );
  }
}

/** Throws unsupported-runtime where the chain has no such call or it takes something else. */
function make(runtime: Runtime, section: string, method: string, ...args: readonly unknown[]): GenericCall {
  const create = runtime.decorated.tx[section]?.[method];
  const reason = `the call ${section}.${method}`;
  if (create === undefined) throw new RelayError('unsupported-runtime', { details: { reason: `it lacks ${reason}` } });
  try {
    return create(...args);
  } catch (error) {
    throw new RelayError('unsupported-runtime', {
      details: { reason: `${reason} takes something else: ${String(error)}` },
      cause: error,
    });
  }
}
