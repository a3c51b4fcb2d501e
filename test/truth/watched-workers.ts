import { toHex, type Hex } from '../../src/codec/index.ts';
import { RunningCli, runCli, type Line } from '../cli/run-cli.ts';
import type { Finality } from './chain-process.ts';
import { Population } from './population.ts';

/** A worker as the command line prints it. */
interface Printed {
  readonly ecdh: Hex;
  readonly epoch: number;
  readonly proven: boolean;
  readonly endpoints: readonly string[];
  readonly gatekeeper: boolean;
}

type Table = ReadonlyMap<Hex, Printed>;

/** `khala-relay workers --watch`, left running. */
export class WatchedWorkers implements AsyncDisposable {
  readonly finality: Finality;
  readonly #ws: string;
  readonly #cli: RunningCli;
  #hasEnded = false;

  private constructor(ws: string, finality: Finality) {
    this.#ws = ws;
    this.finality = finality;
    this.#cli = new RunningCli(['workers', '--watch', '--ws', ws, '--finality', finality]);
    void this.#cli.exit.then(() => (this.#hasEnded = true));
  }

  /** Resolves when it watches. */
  static async start(ws: string, finality: Finality): Promise<WatchedWorkers> {
    const watched = new WatchedWorkers(ws, finality);
    await watched.#cli.line(({ event }) => event === 'ready');
    return watched;
  }

  /** Lines printed so far. */
  get lines(): number {
    return this.#cli.lines.length;
  }

  /** What a fresh `workers` shows that its lines do not come to; empty: they are the same. */
  async differences(): Promise<string[]> {
    const fresh = await runCli(['workers', '--ws', this.#ws, '--finality', this.finality, '--json']);
    if (fresh.code !== 0) throw new Error(`a fresh workers failed: ${fresh.stderr}`);
    return compare(replay(this.#cli.lines), replay(fresh.lines));
  }

  /** By itself. */
  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /** What it wrote to stderr. */
  get log(): string {
    return this.#cli.log;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#cli[Symbol.asyncDispose]();
  }
}

/** Throws where a line adds who is there, or changes or removes who is not. */
function replay(lines: readonly Line[]): Table {
  const table = new Map<Hex, Printed>();
  for (const line of lines) {
    const { event, identity } = line as { event: string; identity: Hex };
    if (event === 'ready' || event === 'node-fault' || event === 'error') continue;
    const isThere = table.has(identity);
    if (isThere === (event === 'added'))
      throw new Error(`${identity} was ${isThere ? '' : 'not '}there: ${JSON.stringify(line)}`);
    if (event === 'removed') table.delete(identity);
    else {
      const { ecdh, epoch, proven, endpoints, gatekeeper } = line as unknown as Printed;
      table.set(identity, { ecdh, epoch, proven, endpoints, gatekeeper });
    }
  }
  return table;
}

function compare(watched: Table, fresh: Table): string[] {
  const differences: string[] = [];
  for (const id of new Set([...watched.keys(), ...fresh.keys()])) {
    const [ours, theirs] = [watched.get(id), fresh.get(id)];
    if (ours === undefined || theirs === undefined)
      differences.push(`${id} is in the ${ours === undefined ? 'fresh' : 'watched'} table only`);
    else if (!isSame(id, ours, theirs))
      differences.push(`${id}: watched ${JSON.stringify(ours)}, fresh ${JSON.stringify(theirs)}`);
  }
  return differences;
}

/**
 * Who has watched for long knows epochs, and proofs of them, that the chain does not show any more, and does not go back below
 * them: but only those that the worker did publish.
 */
function isSame(identity: Hex, watched: Printed, fresh: Printed): boolean {
  const isKeySame =
    watched.epoch === fresh.epoch
      ? watched.ecdh === fresh.ecdh && (watched.proven || !fresh.proven)
      : watched.epoch > fresh.epoch &&
        watched.proven &&
        watched.ecdh === toHex(Population.keyOf(identity, watched.epoch));
  return (
    isKeySame &&
    watched.gatekeeper === fresh.gatekeeper &&
    JSON.stringify(watched.endpoints) === JSON.stringify(fresh.endpoints)
  );
}
