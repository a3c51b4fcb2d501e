import type { Hex } from '../../codec/hex.ts';
import { asRelayError } from '../../errors/index.ts';
import type { BlockStore } from '../block/block-store.ts';
import type { Runtimes } from '../executor/runtime.ts';
import { hexToBytes, isHex } from '../hex.ts';
import { poolErrors, RpcError } from '../rpc/rpc-error.ts';
import { compact } from '../state/trie-encoding.ts';
import type { Pool, PoolTransaction } from './pool.ts';
import { decodeValidity, type ValidTransaction } from './validity.ts';

/** `TransactionSource::External`. */
const external = '02';

/** Takes extrinsics into the pool the way a node does: known? banned? what does the runtime say? */
export class Submitter {
  readonly #pool: Pool;
  readonly #blocks: BlockStore;
  readonly #runtimes: Pick<Runtimes, 'call'>;
  readonly #hashOf: (extrinsic: Hex) => Hex;
  /** Those that were told to be waiting for another. */
  readonly #future = new Set<Hex>();

  constructor(pool: Pool, blocks: BlockStore, runtimes: Pick<Runtimes, 'call'>, hashOf: (extrinsic: Hex) => Hex) {
    this.#pool = pool;
    this.#blocks = blocks;
    this.#runtimes = runtimes;
    this.#hashOf = hashOf;
  }

  /** Throws RpcError. */
  async submit(extrinsic: Hex): Promise<{ readonly hash: Hex; readonly usurped: readonly PoolTransaction[] }> {
    checkFormat(extrinsic);
    const hash = this.#hashOf(extrinsic);
    this.#pool.checkNew(hash);
    const validity = await this.#newestValidity(extrinsic);
    const usurped = this.#pool.add({ ...validity, hash, extrinsic });
    if (!this.#pool.isReady(hash)) this.#future.add(hash);
    return { hash, usurped };
  }

  /** Extrinsics that waited for another and no longer do. */
  newlyReady(): Hex[] {
    if (this.#future.size === 0) return [];
    const ready = this.#pool.ready().filter(({ hash }) => this.#future.delete(hash));
    return ready.map(({ extrinsic }) => extrinsic);
  }

  /** After a reorg: takes back what was retracted, if wanted, and drops what is no longer valid. Gives the dropped. */
  async revalidate(retracted: readonly Hex[], resubmit: boolean): Promise<Hex[]> {
    const dropped: Hex[] = [];
    for (const extrinsic of retracted) this.#pool.unban(this.#hashOf(extrinsic));
    const pending = this.#pool.drain().map(({ extrinsic }) => extrinsic);
    for (const extrinsic of [...(resubmit ? retracted : []), ...pending]) {
      try {
        await this.submit(extrinsic);
      } catch (error) {
        if (!(error instanceof RpcError)) throw error;
        if (pending.includes(extrinsic)) dropped.push(extrinsic);
      }
    }
    return dropped;
  }

  /** Again where a block that came meanwhile took what would have been its rival: one of the same nonce, say. */
  async #newestValidity(extrinsic: Hex): Promise<ValidTransaction> {
    for (;;) {
      const { blocks } = this.#pool;
      const validity = await this.#validate(extrinsic);
      if (!this.#pool.hasProvided(validity.provides, blocks)) return validity;
    }
  }

  async #validate(extrinsic: Hex): Promise<ValidTransaction> {
    const { head } = this.#blocks;
    if (head.state === undefined) throw poolErrors.unknown('the state of the head was dropped');
    const argument: Hex = `0x${external}${extrinsic.slice(2)}${head.hash.slice(2)}`;
    let result: Hex;
    try {
      ({ result } = await this.#runtimes.call('TaggedTransactionQueue_validate_transaction', [argument], head.state));
    } catch (error) {
      throw poolErrors.verification(asRelayError(error, 'dev-executor-failed').message);
    }
    const validity = decodeValidity(result);
    if ('reason' in validity)
      throw validity.invalid ? poolErrors.invalid(validity.reason) : poolErrors.unknown(validity.reason);
    return validity;
  }
}

/** An extrinsic is its own length and then that many bytes. Throws 1001. */
function checkFormat(extrinsic: Hex): void {
  if (!isHex(extrinsic)) throw poolErrors.badFormat('it is not hex');
  const bytes = hexToBytes(extrinsic);
  const width = [1, 2, 4][(bytes[0] ?? 3) & 3];
  const inside = bytes.length - (width ?? 0);
  if (width === undefined || inside <= 0 || !Buffer.from(compact(inside)).equals(bytes.subarray(0, width))) {
    throw poolErrors.badFormat('its length does not match its prefix');
  }
}
