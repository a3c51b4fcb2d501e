import { Bytes, Struct, u64 } from '@polkadot-api/substrate-bindings';
import type { Account, Call, Chain } from '../../src/chain/index.ts';
import { fromHex, toHex, topicOf, type Hex } from '../../src/codec/index.ts';
import { isRelayError } from '../../src/errors/index.ts';
import type { Random } from './random.ts';
import type { Rpc } from './rpc.ts';
import type { WorkerKeys } from './stage.ts';
import type { Copy } from './postings.ts';
import { addressOf, type PostedMessage } from './truth.ts';

const marker = Buffer.from('khala-relay/v1/');
/** Before the topic's text: the call's two indices, the variant of the sender, its id, the topic's length. */
const beforeText = 2 + 1 + 32 + 1;
const syncOffchainMessage = Buffer.of(85, 0, 2);
const signedMessage = Struct({
  worker: Bytes(32),
  destination: Bytes(),
  payload: Bytes(),
  sequence: u64,
  signature: Bytes(),
});
const mostGarbage = 400;
/** For a place in the block before what waits already. */
const bribe = 1_000_000_000n;
/** For an attack to get into a block. */
const patienceMs = 30_000;
/** The same, where it is worth nothing once others are before it. */
const contestMs = 5_000;
/** Of what other software of a worker talks about. */
const elsewhere = new TextEncoder().encode('soak/elsewhere');

type WorkerCall = Extract<Call, { kind: 'sync-offchain-message' }>;

interface AttackerParts {
  readonly chain: Chain;
  readonly eve: Account;
  readonly rpc: Rpc;
  readonly random: Random;
  /** Fires when an attack is given up that is worth nothing once others are before it. Default: after many blocks' time. */
  readonly contest?: () => AbortSignal;
}

/** What an attacker has in the pool, where others are before it or behind it. */
export interface Attack {
  /** True: all of it is in a block, and was done there; false: that came too late. Called once. */
  isDone(): Promise<boolean>;
}

/** Posts what an attacker can. */
export class Attacker {
  readonly #chain: Chain;
  readonly #eve: Account;
  readonly #rpc: Rpc;
  readonly #random: Random;
  readonly #contest: () => AbortSignal;

  constructor({ chain, eve, rpc, random, contest = () => AbortSignal.timeout(contestMs) }: AttackerParts) {
    this.#chain = chain;
    this.#eve = eve;
    this.#rpc = rpc;
    this.#random = random;
    this.#contest = contest;
  }

  /** Posts messages of others another time, from an account of its own. */
  replay(messages: readonly PostedMessage[]): Promise<boolean> {
    return this.#submit(messages.map(pushed), this.#eve);
  }

  /** Posts messages of an account another time as that very account, as its owner's other software might. */
  replayAs(account: Account, messages: readonly PostedMessage[]): Promise<boolean> {
    return this.#submit(messages.map(pushed), account);
  }

  /** Posts what is no envelope, what is one cut short, and what has an unknown suite, to an entity's topic. */
  garbage(to: Hex, model: PostedMessage | undefined): Promise<boolean> {
    const noise = Uint8Array.from({ length: this.#random.between(0, mostGarbage) }, () => this.#random.below(256));
    const cut = model?.payload.slice(0, this.#random.below(model.payload.length)) ?? noise;
    const strange = Uint8Array.of(7, ...noise);
    const calls = [noise, cut, strange].map((payload) => pushed({ to, payload }));
    return this.#submit(calls, this.#eve);
  }

  /**
   * Takes the signed messages of workers out of the pool and posts the first one itself: undefined where none waits, or the pool
   * takes it no more. `onPost` is told which, as it may come in later all the same.
   */
  async frontRun(onPost: (message: Copy) => void): Promise<Attack | undefined> {
    const pending = await this.#rpc.ask<readonly Hex[]>('author_pendingExtrinsics');
    for (const extrinsic of pending) {
      const [first] = signedMessages(fromHex(extrinsic));
      if (first === undefined) continue;
      const { worker, destination, payload } = first;
      onPost({ sender: `worker ${worker}`, ...addressOf(destination, payload), payload });
      return this.#attack(first);
    }
    return undefined;
  }

  /** Posts a message with the next sequence of a worker, as its owner's other software might: undefined where that came too late. */
  async postAs(keys: WorkerKeys): Promise<Attack | undefined> {
    const { identity: worker } = keys;
    const { hash } = await this.#chain.bestHead();
    const sequence = await this.#chain.at(hash).ingressSequence(worker);
    const message = { destination: elsewhere, payload: Uint8Array.of(this.#random.below(256)) };
    const signature = await keys.sign({ type: 'worker-message', ...message, sequence });
    return this.#attack({ kind: 'sync-offchain-message', worker, ...message, sequence, signature });
  }

  /** It is in the pool once this resolves; undefined: the chain refused it. */
  #attack(call: WorkerCall): Promise<Attack | undefined> {
    return unlessRefused(async () => {
      const signal = AbortSignal.timeout(patienceMs);
      const extrinsic = await this.#chain.post([call], this.#eve, { tip: bribe, signal });
      const isDone = async (): Promise<boolean> => {
        const inclusion = await unlessRefused(() => this.#chain.follow(extrinsic, { signal: this.#contest() }));
        return inclusion !== undefined && inclusion.failure === undefined;
      };
      return { isDone };
    });
  }

  /** True: all of it is in a block, and was done there. */
  async #submit(calls: readonly Call[], account: Account): Promise<boolean> {
    if (calls.length === 0) return false;
    const signal = AbortSignal.timeout(patienceMs);
    return (await unlessRefused(() => this.#chain.submit(calls, account, { signal }))) !== undefined;
  }
}

/** undefined: the chain refused it, which is its answer to an attack, not a failure of the run. */
async function unlessRefused<T>(work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if (!isRelayError(error)) throw error;
    return undefined;
  }
}

function pushed({ to, payload }: Pick<PostedMessage, 'to' | 'payload'>): Call {
  return { kind: 'push-message', destination: topicOf(to), payload };
}

/** The calls of PhalaMq.syncOffchainMessage in an extrinsic, alone or in a batch. */
function signedMessages(extrinsic: Uint8Array): WorkerCall[] {
  const bytes = Buffer.from(extrinsic);
  const calls: WorkerCall[] = [];
  for (let at = bytes.indexOf(marker); at >= 0; at = bytes.indexOf(marker, at + marker.length)) {
    const start = at - beforeText;
    if (start < 0 || !bytes.subarray(start, start + syncOffchainMessage.length).equals(syncOffchainMessage)) continue;
    const read = signedMessage.dec(Uint8Array.from(bytes.subarray(start + syncOffchainMessage.length)));
    const { worker, ...rest } = read;
    calls.push({ kind: 'sync-offchain-message', worker: toHex(worker), ...rest });
  }
  return calls;
}
