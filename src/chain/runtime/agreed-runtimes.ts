import { fromHex, toHex, type Hex } from '../../codec/index.ts';
import { isRelayError, RelayError } from '../../errors/index.ts';
import { abortable } from '../abort.ts';
import { abstention, type Quorum } from '../quorum/quorum.ts';
import type { OtherEndpoints } from '../rpc/other-endpoints.ts';
import { RpcError } from '../rpc/rpc-error.ts';
import { saysMissing } from '../storage/block-reader.ts';
import { loadHash256 } from '../trie/proof-nodes.ts';
import { noBlock, parseMetadata, parseVersion, type ExecutedBlock, type RuntimeSource } from './runtime-cache.ts';
import { Runtime, type RuntimeVersion } from './runtime.ts';
import { RuntimesByVersion } from './runtimes-by-version.ts';

/** Times that an endpoint is looked at for a block that it does not have yet: some block times. */
const maxLooks = 100;

export interface AgreedRuntimesParts {
  readonly quorum: Quorum;
  readonly endpoints: OtherEndpoints;
  /** How long a first vote waits for endpoints that do not answer, ms; later ones wait for as long as it takes. */
  readonly timeoutMs: number;
  /** The connection's end, which ends a vote that nobody waits for any more. */
  readonly stopped: AbortSignal;
}

interface Candidate {
  readonly version: RuntimeVersion;
  readonly metadata: Hex;
}

/** Runtimes of which a quorum of endpoints gives the same metadata: one alone could say that fields mean something else. */
export class AgreedRuntimes implements RuntimeSource {
  readonly #parts: AgreedRuntimesParts;
  readonly #runtimes = new RuntimesByVersion<Runtime>();
  #hasAgreed = false;

  constructor(parts: AgreedRuntimesParts) {
    this.#parts = parts;
  }

  /** Throws as {@link executing}. */
  of(block: Hex, signal?: AbortSignal): Promise<Runtime> {
    return abortable(this.#elect({ hash: block }, undefined), signal);
  }

  /** Throws endpoints-disagree, state-discarded where too few endpoints have the block's state, no-quorum (where it is the first, after `timeoutMs`). */
  executing(block: ExecutedBlock, specVersion: number, signal?: AbortSignal): Promise<Runtime> {
    return abortable(
      this.#runtimes.get(specVersion, () => this.#elect(block, specVersion)),
      signal,
    );
  }

  async #elect({ hash, parentHash }: ExecutedBlock, specVersion: number | undefined): Promise<Runtime> {
    const { quorum, timeoutMs, stopped } = this.#parts;
    const hash256 = await loadHash256();
    const candidates = new Map<Hex, Candidate>();
    const looks = new Map<string, number>();
    const words = new Map<string, string>();
    /** The vote of one that is wrong whatever others say: nobody else has it. */
    const alone = (url: string, said: string): Hex => {
      words.set(url, said);
      return toHex(hash256.binary(new TextEncoder().encode(url)));
    };
    /** The vote of one that is behind, and about to get the block. */
    const notYet = (url: string): Hex | undefined => {
      const times = (looks.get(url) ?? 0) + 1;
      looks.set(url, times);
      return times > maxLooks ? abstention : undefined;
    };
    const ask = async (url: string): Promise<Hex | undefined> => {
      try {
        const own = await this.#at(url, hash, specVersion);
        const candidate =
          typeof own === 'number' && parentHash !== undefined && parentHash !== noBlock
            ? await this.#at(url, parentHash, specVersion)
            : own;
        if (candidate === undefined) return notYet(url);
        if (typeof candidate === 'number') return alone(url, `version ${candidate}`);
        const vote = toHex(hash256.binary(fromHex(candidate.metadata)));
        candidates.set(vote, candidate);
        return vote;
      } catch (error) {
        if (isRelayError(error, 'rpc-failed')) return alone(url, `nonsense (${error.message})`);
        if (!(error instanceof RpcError && saysMissing(error.reason))) throw error;
        // What is discarded stays so.
        return /discarded/i.test(error.reason) ? abstention : notYet(url);
      }
    };
    const about = `the metadata of ${specVersion === undefined ? 'the runtime' : `runtime ${specVersion}`}`;
    const patience = this.#hasAgreed ? {} : { patienceMs: timeoutMs };
    // There is one election for each version: who votes late is to be caught in it, too, until that of another is decided.
    const election = { about, block: hash, ask, inWords: (url: string) => words.get(url), asksOn: true };
    const winner = candidates.get(await quorum.elect(election, { signal: stopped, ...patience }));
    if (winner === undefined) throw new RelayError('chain-stopped');
    this.#hasAgreed = true;
    return new Runtime(winner.version, winner.metadata);
  }

  /** What an endpoint has in the state of a block; the version where it is another one; undefined where it has no such block. */
  async #at(url: string, block: Hex, specVersion: number | undefined): Promise<Candidate | number | undefined> {
    const { endpoints } = this.#parts;
    const told = await endpoints.ask(url, 'state_getRuntimeVersion', [block]);
    if (told === null) return undefined;
    const version = parseVersion(told);
    if (specVersion !== undefined && version.specVersion !== specVersion) return version.specVersion;
    const metadata = await endpoints.ask(url, 'state_getMetadata', [block]);
    return metadata === null ? undefined : { version, metadata: parseMetadata(metadata) };
  }
}
