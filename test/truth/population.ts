import type { ApiPromise } from '@polkadot/api';
import {
  ecdhRecordContent,
  encodeEcdhRecord,
  endpointContent,
  fromHex,
  toHex,
  type Hex,
} from '../../src/codec/index.ts';
import { keyPairFromSeed, sign, type KeyPair } from '../../src/crypto/index.ts';
import type { Dice } from './dice.ts';

export type ChainCall = ReturnType<ApiPromise['tx'][string][string]>;

interface Member {
  readonly pair: KeyPair;
  readonly identity: Hex;
  epoch: number;
}

/** A signed endpoint payload, which anybody may post again for four hours. */
interface Payload {
  readonly identity: Hex;
  readonly endpoints: readonly string[];
  readonly signingTime: bigint;
  readonly signature: Hex;
}

/** Calls that leave nothing of a batch out of it. */
const maxKeptPayloads = 200;

/** Workers that register, publish, rotate and replay as the dice will have it. */
export class Population {
  readonly #dice: Dice;
  readonly #genesisHash: Hex;
  readonly #members: Member[] = [];
  readonly #payloads: Payload[] = [];
  readonly #made = new Map<string, number>();

  constructor(dice: Dice, genesisHash: Hex) {
    this.#dice = dice;
    this.#genesisHash = genesisHash;
  }

  /** The key of a worker's epoch: known to whoever checks it. */
  static keyOf(identity: Hex, epoch: number): Uint8Array {
    const seed = fromHex(identity).slice();
    new DataView(seed.buffer).setUint32(0, epoch);
    return keyPairFromSeed(seed).publicKey;
  }

  get size(): number {
    return this.#members.length;
  }

  /** Some calls of one batch, signed at the chain's time `now` (Unix ms). */
  calls(api: ApiPromise, count: number, now: bigint): ChainCall[] {
    const calls: ChainCall[] = [];
    while (calls.length < count) calls.push(this.#call(api, now));
    return calls;
  }

  /** Registrations of so many who were not there, enough to fill a block. */
  joins(api: ApiPromise, count: number): ChainCall[] {
    return Array.from({ length: count }, () => this.#register(api, this.#join()));
  }

  /** Calls that were made, by kind. */
  get made(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#made);
  }

  /** Calls of sudo: a gatekeeper comes or goes, a worker is gone, another one has been registered by force. */
  rootCalls(api: ApiPromise): ChainCall[] {
    const { tx, query } = api;
    if (this.#members.length === 0) return [];
    // Often the one that has just published: two changes of it in one block.
    const { identity } = this.#dice.chance(0.5)
      ? (this.#payloads.at(-1) ?? this.#dice.pick(this.#members))
      : this.#dice.pick(this.#members);
    const workerKey = query.phalaRegistry.workers.key(identity);
    const makers = [
      () => [tx.phalaRegistry.registerGatekeeper(identity)],
      () => [tx.phalaRegistry.unregisterGatekeeper(identity)],
      () => [tx.system.killStorage([workerKey])],
      () => [tx.system.killStorage([query.phalaRegistry.endpoints.key(identity)])],
      () => [tx.phalaRegistry.forceRegisterWorker(identity, toHex(Population.keyOf(identity, 1_000)), null)],
    ];
    return this.#dice.pick(makers)();
  }

  #call(api: ApiPromise, now: bigint): ChainCall {
    const isNew = this.#members.length < 20 || this.#dice.chance(0.35);
    if (isNew) return this.#register(api, this.#join());
    if (this.#dice.chance(0.05)) return this.#register(api, this.#dice.pick(this.#members));
    const replayed = this.#payloads.length > 0 && this.#dice.chance(0.15);
    const payload = replayed ? this.#dice.pick(this.#payloads) : this.#payload(now);
    const call = publish(api, payload);
    const nested = this.#nested(api, call);
    this.#count(`${nested === call ? 'plain' : 'nested'} endpoint changes`);
    if (replayed) this.#count('of them replayed');
    return nested;
  }

  #count(kind: string): void {
    this.#made.set(kind, (this.#made.get(kind) ?? 0) + 1);
  }

  #join(): Member {
    const seed = Uint8Array.from({ length: 32 }, () => this.#dice.below(256));
    const pair = keyPairFromSeed(seed);
    const member = { pair, identity: toHex(pair.publicKey), epoch: 0 };
    this.#members.push(member);
    return member;
  }

  #register({ tx }: ApiPromise, { identity }: Member): ChainCall {
    this.#count('registrations');
    return tx.phalaRegistry.registerWorkerV2(
      {
        version: 1,
        machineId: new Uint8Array(16),
        pubkey: identity,
        ecdhPubkey: toHex(Population.keyOf(identity, 0)),
        genesisBlockHash: this.#genesisHash,
        features: [this.#dice.below(4)],
        operator: null,
        paraId: 2004,
        maxConsensusVersion: 1,
      },
      null,
    );
  }

  #payload(signedBefore: bigint): Payload {
    const member = this.#dice.pick(this.#members);
    if (this.#dice.chance(0.4)) member.epoch += 1;
    const { identity, pair, epoch } = member;
    const endpoints = Array.from({ length: this.#dice.below(4) }, () => `http://${this.#dice.below(1e6)}.example`);
    for (let e = Math.max(0, epoch - 1); e <= epoch; e++)
      if (this.#dice.chance(0.8)) endpoints.push(this.#record(member, e));
    if (this.#dice.chance(0.05)) endpoints.push('ecdh:junk');
    if (this.#dice.chance(0.02)) for (let i = 0; i < 200; i++) endpoints.push(`ecdh:${i}`);
    const signingTime = signedBefore - 1n - BigInt(this.#dice.below(1_000));
    const signature = toHex(sign(pair.secretKey, endpointContent({ identity, endpoints, signingTime })));
    const payload = { identity, endpoints, signingTime, signature };
    this.#payloads.push(payload);
    if (this.#payloads.length > maxKeptPayloads) this.#payloads.splice(this.#dice.below(maxKeptPayloads), 1);
    return payload;
  }

  #record({ identity, pair }: Member, epoch: number): string {
    const ecdhPublic = Population.keyOf(identity, epoch);
    const content = ecdhRecordContent({ genesisHash: this.#genesisHash, identity, ecdhPublic, epoch });
    return encodeEcdhRecord({ ecdhPublic, epoch, signature: sign(pair.secretKey, content) });
  }

  /** As it is, or so deep in other calls that a plain look does not find it. */
  #nested({ tx }: ApiPromise, call: ChainCall): ChainCall {
    const bob = '0x8eaf04151687736326c9fea17e25fc5287613693c912909cb226aa4794f26a48';
    const wraps = [
      (inner: ChainCall) => tx.utility.batch([inner]),
      (inner: ChainCall) => tx.utility.forceBatch([tx.utility.batchAll([inner])]),
      (inner: ChainCall) => tx.multisig.asMultiThreshold1([bob], inner),
      (inner: ChainCall) => tx.utility.asDerivative(this.#dice.below(9), inner),
    ];
    let nested = call;
    while (this.#dice.chance(0.4)) nested = this.#dice.pick(wraps)(nested);
    return nested;
  }
}

function publish({ tx }: ApiPromise, { identity, endpoints, signingTime, signature }: Payload): ChainCall {
  const payload = { pubkey: identity, versionedEndpoints: { V1: endpoints }, signingTime };
  return tx.phalaRegistry.updateWorkerEndpoint(payload, signature);
}
