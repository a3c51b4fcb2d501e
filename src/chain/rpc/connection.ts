import { BehaviorSubject, filter, type Observable } from 'rxjs';
import type { Hex } from '../../codec/index.ts';
import { RelayError } from '../../errors/index.ts';
import { LinkedAbort } from '../../signals/index.ts';
import { throwIfAborted } from '../abort.ts';
import type { Clock } from '../clock.ts';
import type { ChainLogger } from '../logger.ts';
import { backoffMs, type BackoffOptions } from './backoff.ts';
import { ConnectTime } from './connect-time.ts';
import { EndpointHealth } from './endpoint-health.ts';
import type { RpcCall } from './rpc-batch.ts';
import { NodeFaults } from './node-faults.ts';
import { dial } from './dial.ts';
import { nextSession } from './next-session.ts';
import { workPatiently } from './patient-work.ts';
import { BatchRefused, oversizeCode, RpcError } from './rpc-error.ts';
import type { RequestOptions, RpcSocket } from './rpc-socket.ts';

/** One socket's life. `id` grows with every reconnect. */
export interface Session {
  readonly id: number;
  readonly socket: RpcSocket;
}

export interface ConnectionOptions {
  readonly endpoints: readonly string[];
  readonly genesisHash: Hex | undefined;
  readonly timeoutMs: number;
  readonly backoff: BackoffOptions;
  /** Endpoints that must agree on how far the chain is. */
  readonly quorum: number;
  readonly clock: Clock;
  readonly logger: ChainLogger;
}

export interface PatientOptions extends RequestOptions {
  /**
   * How long to wait for a connection while there is none, or while each that there is breaks, ms. Default `timeoutMs` of the
   * connection. Infinity: for as long as it takes, and a node that says that it is busy is waited for too.
   */
  readonly patienceMs?: number;
  /** Whether less may be asked for at once, where an answer breaks the socket since it is too large. Default false. */
  readonly isDivisible?: boolean;
}

export interface Answer {
  readonly result: unknown;
  readonly url: string;
}

export interface Answers {
  /** In the order of the calls; an RpcError where the node refused one. */
  readonly results: readonly unknown[];
  readonly url: string;
}

/** A connection that held for less is a failed attempt, ms. */
const briefMs = 5_000;
/** Such connections in a row before there are pauses between them. */
const freeBrief = 2;

/** One endpoint at a time, the healthiest, another when it fails, always of the same chain. */
export class Connection {
  readonly options: ConnectionOptions;
  readonly health: EndpointHealth;
  readonly faults: NodeFaults;
  readonly connectTime: ConnectTime;
  #genesisHash: Hex | undefined;
  #sessions = 0;
  /** The newest one, open or not. */
  #newest: Session | undefined;
  readonly #session$ = new BehaviorSubject<Session | undefined>(undefined);
  readonly #stopping = new AbortController();
  /** Endpoints that were caught lying: never used again. */
  readonly #left = new Set<string>();

  private constructor(options: ConnectionOptions) {
    this.options = options;
    const now = (): number => options.clock.now();
    this.health = new EndpointHealth(options.endpoints, now, options.quorum);
    this.faults = new NodeFaults(now);
    this.connectTime = new ConnectTime(now);
    this.#genesisHash = options.genesisHash?.toLowerCase() as Hex | undefined;
  }

  /** Throws chain-unreachable after `timeoutMs`, or wrong-chain. */
  static async open(options: ConnectionOptions, signal: AbortSignal | undefined): Promise<Connection> {
    const connection = new Connection(options);
    using deadline = new LinkedAbort(signal);
    const timer = setTimeout(() => {
      deadline.abort();
    }, options.timeoutMs);
    try {
      await connection.#connect(deadline.signal, options.timeoutMs);
    } catch (error) {
      throwIfAborted(signal);
      throw error;
    } finally {
      clearTimeout(timer);
    }
    void connection.#keepConnected();
    return connection;
  }

  get genesisHash(): Hex {
    if (this.#genesisHash === undefined) throw new RelayError('chain-stopped');
    return this.#genesisHash;
  }

  /** The session there is, then every new one. Errors where no reconnect helps. */
  get session$(): Observable<Session> {
    return this.#session$.pipe(filter((session) => session !== undefined));
  }

  /** Fires when the connection is stopped or can't be kept; its reason is the RelayError. */
  get stopped(): AbortSignal {
    return this.#stopping.signal;
  }

  /** The socket in use; undefined while there is none. */
  get present(): RpcSocket | undefined {
    const socket = this.#newest?.socket;
    return socket?.isOpen === true ? socket : undefined;
  }

  /** What an endpoint told of; of the present one where no URL is given. */
  noteFinalized(number: number, url = this.present?.url): void {
    if (url !== undefined) this.health.finalized(url, number);
  }

  /** The present session, or the next one. Throws chain-unreachable after `patienceMs`, aborted, chain-stopped. */
  async session(options: PatientOptions = {}): Promise<Session> {
    const present = this.usable(options);
    if (present !== undefined) return present;
    const { signal, patienceMs = this.connectTime.leftMs ?? this.options.timeoutMs } = options;
    return nextSession(this, patienceMs, signal);
  }

  /** The session there is, without waiting. Throws aborted, chain-stopped. */
  usable({ signal }: PatientOptions): Session | undefined {
    throwIfAborted(signal);
    throwIfAborted(this.stopped);
    return this.#newest?.socket.isOpen === true ? this.#newest : undefined;
  }

  /**
   * For requests that may be made twice: goes on with the next connection where one breaks, and asks again where the node
   * is busy. Throws RpcError as the node answered it, chain-unreachable, aborted, chain-stopped.
   */
  async request(method: string, params: readonly unknown[] = [], options: PatientOptions = {}): Promise<unknown> {
    return (await this.ask(method, params, options)).result;
  }

  /** As {@link request}, and who answered. */
  ask(method: string, params: readonly unknown[] = [], options: PatientOptions = {}): Promise<Answer> {
    return workPatiently(this, method, options, (socket) => {
      const { url } = socket;
      return socket.request(method, params, options).then((result) => ({ result, url }));
    });
  }

  /**
   * As {@link ask}, for several calls in one frame; undefined from a node that takes no batches, `too many` from one that
   * takes none of so many calls, `too large` where their answers are more than it sends at once.
   */
  async askAll(
    calls: readonly RpcCall[],
    options: PatientOptions = {},
  ): Promise<Answers | 'too many' | 'too large' | undefined> {
    const { method = '' } = calls[0] ?? {};
    try {
      return await workPatiently(this, method, { ...options, isDivisible: true }, async (socket) => ({
        results: await socket.requestAll(calls, options),
        url: socket.url,
      }));
    } catch (error) {
      if (error instanceof BatchRefused && error.isTooLong) return 'too many';
      if (error instanceof BatchRefused) return error.isOversize ? 'too large' : undefined;
      if (error instanceof RpcError && error.code === oversizeCode) return 'too large';
      throw error;
    }
  }

  /** Drops a session that does not work; another takes its place. */
  replace({ socket }: Session, reason: string): void {
    if (socket.isOpen) this.options.logger.warn({ url: socket.url, reason }, 'connection replaced');
    socket.close(reason);
  }

  /** Goes on with another endpoint than this one, which does not do its part. False where there is no other. */
  distrust(url: string, reason: string): boolean {
    this.health.distrusted(url);
    const hasOther = this.hasOthers;
    if (hasOther && this.#newest?.socket.url === url) this.replace(this.#newest, reason);
    return hasOther;
  }

  /** As {@link distrust}, of one that others contradict: what it told of finality counts no more until it tells it anew. */
  doubt(url: string, reason: RelayError, accusers: readonly string[]): void {
    this.faults.doubt(url, reason, accusers);
    this.health.doubted(url);
    this.distrust(url, reason.message);
  }

  /** An endpoint is of another chain: it is not used, and looked at again when it is its turn. */
  foreign(url: string, reason: RelayError): void {
    // Where it is the only one, what ends by it says so.
    if (this.faults.note(url, reason) && this.options.endpoints.length > 1)
      this.options.logger.warn({ url, reason: reason.message }, 'endpoint is of another chain, it is not used');
  }

  /** Whether one is left beside the one in use. */
  get hasOthers(): boolean {
    return this.options.endpoints.length > this.#left.size + 1;
  }

  /** Whether an endpoint was caught lying. */
  hasLeft(url: string): boolean {
    return this.#left.has(url);
  }

  /** Never uses an endpoint again. Where none is left the connection ends with `reason`. */
  leave(url: string, reason: RelayError): void {
    if (this.#left.has(url)) return;
    this.#left.add(url);
    this.options.logger.warn({ url, reason: reason.message }, 'endpoint lies, it is left');
    this.faults.note(url, reason, true);
    this.health.leave(url);
    for (const cleared of this.faults.clearDoubtsBy(url)) this.health.believed(cleared);
    if (this.options.endpoints.every((endpoint) => this.#left.has(endpoint))) this.stop(reason);
    if (this.#newest?.socket.url === url) this.#newest.socket.close('it lies');
  }

  /** Idempotent. */
  stop(reason: RelayError = new RelayError('chain-stopped')): void {
    if (this.stopped.aborted) return;
    this.#stopping.abort(reason);
    this.faults.end();
    if (reason.code === 'chain-stopped') this.#session$.complete();
    else this.#session$.error(reason);
    this.#newest?.socket.close('stopped');
  }

  async #keepConnected(): Promise<void> {
    const { clock, logger, backoff } = this.options;
    try {
      for (let brief = 0; ;) {
        const since = clock.now();
        const session = this.#newest;
        if (session !== undefined) {
          const lost = await session.socket.closed;
          throwIfAborted(this.stopped);
          this.health.failed(lost.url);
          logger.warn({ url: lost.url, reason: lost.message }, 'connection lost');
        }
        // Endpoints that accept and drop again are not to be asked without a pause.
        brief = clock.now() - since < briefMs ? brief + 1 : 0;
        if (brief > freeBrief) await clock.sleep(backoffMs(brief - freeBrief - 1, backoff), this.stopped);
        await this.#connect(this.stopped, this.options.timeoutMs);
      }
    } catch (error) {
      if (!this.stopped.aborted) this.stop(error instanceof RelayError ? error : this.unreachable(String(error)));
    }
  }

  async #connect(signal: AbortSignal, timeoutMs: number): Promise<void> {
    const opened = await dial(this, this.#genesisHash, signal, timeoutMs);
    this.#genesisHash ??= opened.genesisHash;
    this.#newest = { id: ++this.#sessions, socket: opened.socket };
    this.#session$.next(this.#newest);
  }

  /** For who gives up. */
  unreachable(reason: string): RelayError {
    return new RelayError('chain-unreachable', { details: { urls: this.options.endpoints.join(', '), reason } });
  }
}
