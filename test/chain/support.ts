import { ApiPromise, WsProvider } from '@polkadot/api';
import { Keyring } from '@polkadot/keyring';
import type { KeyringPair } from '@polkadot/keyring/types';
import type { ProviderInterface } from '@polkadot/rpc-provider/types';
import type { Observable } from 'rxjs';
import { accountFromSuri, type Chain, type HeadEvent } from '../../src/chain/index.ts';
import { ecdhRecordContent, encodeEcdhRecord, endpointContent, toHex, type Hex } from '../../src/codec/index.ts';
import { keyPairFromSeed, sign, type KeyPair } from '../../src/crypto/index.ts';
import { isRelayError, type ErrorCode } from '../../src/errors/index.ts';

export const alice = accountFromSuri('//Alice');
export const bob = accountFromSuri('//Bob');

export function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** For assert.rejects. */
export function withCode(code: ErrorCode, ...mentions: readonly string[]): (error: unknown) => boolean {
  return (error) => isRelayError(error, code) && mentions.every((text) => error.message.includes(text));
}

/** Everything that a stream gave so far, and a promise for when it gave what a test waits for. */
export interface Recorder<T> extends Disposable {
  readonly values: readonly T[];
  readonly failure: unknown;
  readonly isComplete: boolean;
  until(isThere: (values: readonly T[]) => boolean): Promise<readonly T[]>;
}

export function record<T>(stream: Observable<T>): Recorder<T> {
  const values: T[] = [];
  const waiting = new Set<() => void>();
  let failure: unknown;
  let isComplete = false;
  const notify = (): void => waiting.forEach((check) => check());
  const subscription = stream.subscribe({
    next: (value) => {
      values.push(value);
      notify();
    },
    error: (error: unknown) => {
      failure = error;
      notify();
    },
    complete: () => {
      isComplete = true;
      notify();
    },
  });
  return {
    values,
    get failure() {
      return failure;
    },
    get isComplete() {
      return isComplete;
    },
    until: (isThere) =>
      new Promise((resolve, reject) => {
        const check = (): void => {
          if (!isThere(values)) {
            if (failure !== undefined) reject(failure instanceof Error ? failure : new Error('the stream failed'));
            return;
          }
          waiting.delete(check);
          resolve(values);
        };
        waiting.add(check);
        check();
      }),
    [Symbol.dispose]: () => subscription.unsubscribe(),
  };
}

/** `+3` for a head, `-3` for a retracted one. */
export function numbers(events: readonly HeadEvent[]): string {
  return events.map(({ type, head }) => `${type === 'head' ? '+' : '-'}${head.number}`).join(' ');
}

/** Whether each head follows the one before, retracted ones taken back. */
export function isChain(events: readonly HeadEvent[]): boolean {
  const branch: HeadEvent['head'][] = [];
  return events.every(({ type, head }) => {
    const last = branch.at(-1);
    if (type === 'retracted') return branch.pop()?.hash === head.hash;
    branch.push(head);
    return last === undefined || (head.parentHash === last.hash && head.number === last.number + 1);
  });
}

/** A worker made up for a test. */
export interface TestWorker {
  readonly pair: KeyPair;
  readonly identity: Hex;
  /** Registration key. */
  readonly ecdhKey: Uint8Array;
}

export function testWorker(seed: number): TestWorker {
  const pair = keyPairFromSeed(new Uint8Array(32).fill(seed));
  return { pair, identity: toHex(pair.publicKey), ecdhKey: testKey(seed) };
}

/** Some EcdhKey. */
export function testKey(seed: number): Uint8Array {
  return keyPairFromSeed(new Uint8Array(32).fill(seed).fill(1, 16)).publicKey;
}

/** The ECDH record of an epoch. */
export function recordOf(worker: TestWorker, genesisHash: Hex, epoch: number, ecdhPublic: Uint8Array): string {
  const content = ecdhRecordContent({ genesisHash, identity: worker.identity, ecdhPublic, epoch });
  return encodeEcdhRecord({ ecdhPublic, epoch, signature: sign(worker.pair.secretKey, content) });
}

export interface SignedEndpoints {
  readonly identity: Hex;
  readonly endpoints: readonly string[];
  readonly signingTime: bigint;
  readonly signature: Uint8Array;
}

/** Endpoints signed at the chain's present time. */
export async function signedEndpoints(
  chain: Chain,
  worker: Omit<TestWorker, 'ecdhKey'>,
  endpoints: readonly string[],
): Promise<SignedEndpoints> {
  const { hash } = await chain.bestHead();
  const payload = {
    identity: worker.identity,
    endpoints,
    signingTime: (await chain.at(hash).timestamp()) - 1n,
  };
  return { ...payload, signature: sign(worker.pair.secretKey, endpointContent(payload)) };
}

/** Posts whatever calls a test needs, by the official library: an implementation that is not ours. */
export interface Wallet extends AsyncDisposable {
  readonly api: ApiPromise;
  readonly alice: KeyringPair;
  readonly bob: KeyringPair;
  /** Resolves with the hash of the block that it is in. */
  post(call: ReturnType<ApiPromise['tx'][string][string]>, by: KeyringPair): Promise<Hex>;
}

export async function openWallet(ws: string): Promise<Wallet> {
  const api = await ApiPromise.create({
    provider: new WsProvider(ws) as unknown as ProviderInterface,
    noInitWarn: true,
    signedExtensions: { CheckMqSequence: { extrinsic: {}, payload: {} } },
  });
  const keyring = new Keyring({ type: 'sr25519' });
  return {
    api,
    alice: keyring.addFromUri('//Alice'),
    bob: keyring.addFromUri('//Bob'),
    post: (call, by) =>
      new Promise((resolve, reject) => {
        call
          .signAndSend(by, ({ status, dispatchError }) => {
            if (dispatchError !== undefined) reject(new Error(dispatchError.toString()));
            if (status.isInBlock) resolve(status.asInBlock.toHex());
            else if (status.isFinalized) resolve(status.asFinalized.toHex());
          })
          .catch(reject);
      }),
    [Symbol.asyncDispose]: () => api.disconnect(),
  };
}
