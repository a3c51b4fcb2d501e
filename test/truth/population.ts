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

/** Payloads of which one may be replayed. */
const maxKeptPayloads = 200;
const bob = '0x8eaf04151687736326c9fea17e25fc5287613693c912909cb226aa4794f26a48';
const charlie = '0x90b5ab205c6974c9ea841be688864633dc9ca8a357843eeacf2314649965fe22';

/** What a call may be put into. */
interface Wrap {
  /** alice: only Alice, who posts, may make the outer call. any: anybody may. inner: whoever may make the inner one. */
  readonly by: 'alice' | 'any' | 'inner';
  readonly put: (tx: ApiPromise['tx'], inner: ChainCall) => ChainCall;
}

/** Alice is a proxy of Bob, and sudo. */
const wraps: readonly Wrap[] = [
  { by: 'inner', put: (tx, inner) => tx.utility.batch([inner]) },
  { by: 'inner', put: (tx, inner) => tx.utility.forceBatch([tx.utility.batchAll([inner])]) },
  { by: 'any', put: (tx, inner) => tx.multisig.asMultiThreshold1([charlie], inner) },
  { by: 'any', put: (tx, inner) => tx.utility.asDerivative(7, inner) },
  { by: 'alice', put: (tx, inner) => tx.proxy.proxy(bob, null, inner) },
  { by: 'alice', put: (tx, inner) => tx.sudo.sudoAs(bob, inner) },
];

/** Workers that register, publish, rotate and replay as the dice will have it. */
export class Population {
  readonly #dice: Dice;
  readonly #genesisHash: Hex;
  readonly #members: Member[] = [];
  readonly #payloads: Payload[] = [];
  readonly #made = new Map<string, number>();
  #urls = 0;

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

  /** An endpoint change for a multisig of several, who approve it one after the other. */
  shared(api: ApiPromise, now: bigint): ChainCall {
    return this.#counted('endpoint changes by a multisig', publish(api, this.#payload(now)));
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
    if (isNew || this.#dice.chance(0.05)) {
      const call = this.#register(api, isNew ? this.#join() : this.#dice.pick(this.#members));
      return this.#dice.chance(0.1) ? this.#counted('nested registrations', this.#wrapped(api, call)) : call;
    }
    const replayed = this.#payloads.length > 0 && this.#dice.chance(0.15);
    const payload = replayed ? this.#dice.pick(this.#payloads) : this.#payload(now);
    const call = publish(api, payload);
    const isNested = this.#dice.chance(0.4);
    this.#count(`${isNested ? 'nested' : 'plain'} endpoint changes`);
    if (replayed) this.#count('of them replayed');
    return isNested ? this.#wrapped(api, call) : call;
  }

  #counted(kind: string, call: ChainCall): ChainCall {
    this.#count(kind);
    return call;
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
    // The first is in no other payload: whatever replaces this one, and brings it back, is a change that is seen.
    const urls = this.#dice.below(4);
    const endpoints = Array.from({ length: urls }, (_, i) =>
      i === 0 ? `http://${++this.#urls}.example` : `http://${this.#dice.below(1e6)}.example`,
    );
    for (let e = Math.max(0, epoch - 1); e <= epoch; e++)
      if (this.#dice.chance(0.8)) endpoints.push(this.#record(member, e));
    if (urls > 0 && this.#dice.chance(0.05)) endpoints.push('ecdh:junk');
    if (urls > 0 && this.#dice.chance(0.02)) for (let i = 0; i < 200; i++) endpoints.push(`ecdh:${i}`);
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

  /** So deep in other calls that a plain look does not find it. */
  #wrapped({ tx }: ApiPromise, call: ChainCall): ChainCall {
    let wrapped = call;
    let isAlices = false;
    do {
      const { by, put } = this.#dice.pick(isAlices ? wraps.filter((wrap) => wrap.by === 'inner') : wraps);
      wrapped = put(tx, wrapped);
      if (by === 'alice') isAlices = true;
    } while (this.#dice.chance(0.4));
    return wrapped;
  }
}

function publish({ tx }: ApiPromise, { identity, endpoints, signingTime, signature }: Payload): ChainCall {
  const payload = { pubkey: identity, versionedEndpoints: { V1: endpoints }, signingTime };
  return tx.phalaRegistry.updateWorkerEndpoint(payload, signature);
}
