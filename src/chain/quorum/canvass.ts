import type { Hex } from '../../codec/index.ts';
import { asRelayError, RelayError } from '../../errors/index.ts';
import { LinkedAbort } from '../../signals/index.ts';
import { abortable, throwIfAborted } from '../abort.ts';
import type { Clock } from '../clock.ts';
import { backoffMs } from '../rpc/backoff.ts';
import type { Connection } from '../rpc/connection.ts';

/** Between two looks whether an endpoint has got what it was asked for. */
const pollMs = 200;
/** Longest delay before an endpoint that does not answer is asked again, ms. */
const maxSilentMs = 5_000;
/** The same, once all is decided, ms. */
const maxLateMs = 600_000;
/** Between two warnings that a question is still open, ms. */
const tellEveryMs = 15_000;

export interface CanvassOptions {
  readonly signal?: AbortSignal | undefined;
  /** How long to wait for endpoints that are behind or do not answer, ms. Default: for ever. */
  readonly patienceMs?: number;
}

/** One question to all endpoints. */
export interface Question<T, R> {
  /** In words, for the error: `block 7`. */
  readonly about: string;
  /** undefined: it can not say yet, and is asked again. */
  readonly ask: (url: string) => Promise<T | undefined>;
  /**
   * Called whenever there is another answer, or an endpoint is left, with those of all that were not; undefined: not enough
   * yet. May throw.
   */
  readonly decide: (answers: ReadonlyMap<string, T>) => R | undefined;
  /** Called for each answer that comes when all is decided. */
  readonly late?: (answers: ReadonlyMap<string, T>) => void;
  /**
   * Who has not answered by then is asked until it does, ever more seldom, or such a question is decided again. Default: no
   * more.
   */
  readonly asksOn?: boolean;
}

type CanvassedEndpoints = Pick<Connection, 'options' | 'stopped' | 'faults' | 'hasLeft'>;

/** Asks all endpoints at once, again and again, until enough of them have answered. */
export class Canvass {
  readonly #connection: CanvassedEndpoints;
  readonly #clock: Clock;
  /** Requests under way, by endpoint: one at a time, so that a slow endpoint does not gather them. */
  readonly #busy = new Map<string, Promise<unknown>>();
  /** Ends what is asked on. */
  #askingOn: LinkedAbort | undefined;
  readonly #size: number;

  constructor(connection: CanvassedEndpoints, clock: Clock, size: number) {
    this.#connection = connection;
    this.#clock = clock;
    this.#size = size;
  }

  /** Throws no-quorum after `patienceMs`, or where too few endpoints are left; aborted, chain-stopped. */
  async hold<T extends number | Hex, R>(
    { about, ask, decide, late, asksOn = false }: Question<T, R>,
    options: CanvassOptions = {},
  ): Promise<R> {
    const { stopped } = this.#connection;
    using over = new LinkedAbort(stopped, options.signal);
    const { signal } = over;
    throwIfAborted(signal);
    const asking = asksOn ? new LinkedAbort(stopped) : over;
    const answers = new Map<string, T>();
    const reasons = new Map<string, string>();
    const tooFew = (): RelayError =>
      new RelayError('no-quorum', { details: { about, size: this.#size, said: saidBy(this.#urls, answers, reasons) } });
    const counted = (): ReadonlyMap<string, T> =>
      new Map([...answers].filter(([url]) => !this.#connection.hasLeft(url)));
    let count = (): void => undefined;
    const leaving = this.#connection.faults.all$.subscribe(({ isLeft }) => {
      if (isLeft) count();
    });
    const decided = new Promise<R>((resolve, reject) => {
      count = () => {
        try {
          if (this.#urls.length < this.#size) throw tooFew();
          const result = decide(counted());
          if (result !== undefined) resolve(result);
        } catch (error) {
          reject(asRelayError(error, 'rpc-failed', { method: about }));
        }
      };
      count();
      for (const url of this.#urls)
        this.#insist(url, ask, reasons, asking.signal, over.signal)
          .then(
            (answer) => {
              answers.set(url, answer);
              if (over.signal.aborted) late?.(counted());
              else count();
            },
            () => undefined, // Given up: nobody waits for it any more, or the endpoint was left.
          )
          .catch(() => undefined); // what comes too late has nobody to tell
    });
    const tell = async (): Promise<never> => {
      for (;;) {
        await this.#clock.sleep(tellEveryMs, signal);
        throwIfAborted(signal);
        const facts = { about, said: saidBy(this.#urls, answers, reasons) };
        this.#connection.options.logger.warn(facts, 'endpoints do not agree yet');
      }
    };
    tell().catch(() => undefined);
    const { patienceMs = Infinity } = options;
    const impatient = new Promise<never>((_, reject) => {
      if (!Number.isFinite(patienceMs)) return;
      this.#clock.sleep(patienceMs, signal).then(
        () => {
          reject(tooFew());
        },
        () => undefined,
      );
    });
    try {
      const result = await abortable(Promise.race([decided, impatient]), signal);
      if (asksOn) this.#askOn(asking);
      return result;
    } catch (error) {
      asking.abort();
      asking.unlink();
      throw error;
    } finally {
      leaving.unsubscribe();
      over.abort();
    }
  }

  /** One question at a time, so that they do not gather at an endpoint that never answers. */
  #askOn(asking: LinkedAbort): void {
    this.#askingOn?.abort();
    this.#askingOn?.unlink();
    this.#askingOn = asking;
  }

  get #urls(): readonly string[] {
    return this.#connection.options.endpoints.filter((url) => !this.#connection.hasLeft(url));
  }

  async #insist<T>(
    url: string,
    ask: (url: string) => Promise<T | undefined>,
    reasons: Map<string, string>,
    signal: AbortSignal,
    decided: AbortSignal,
  ): Promise<T> {
    const { backoff } = this.#connection.options;
    for (let attempt = 0; ;) {
      await this.#busy.get(url)?.catch(() => undefined);
      throwIfAborted(signal);
      if (this.#connection.hasLeft(url)) throw new RelayError('aborted');
      let waitMs = pollMs;
      const asking = ask(url);
      this.#busy.set(url, asking);
      try {
        const answer = await asking;
        if (answer !== undefined) return answer;
        reasons.set(url, 'it is behind');
        attempt = 0;
      } catch (error) {
        reasons.set(url, error instanceof Error ? error.message : String(error));
        waitMs = backoffMs(attempt++, { ...backoff, maxMs: decided.aborted ? maxLateMs : maxSilentMs });
      }
      await this.#clock.sleep(waitMs, signal);
    }
  }
}

function saidBy(
  urls: readonly string[],
  answers: ReadonlyMap<string, number | Hex>,
  reasons: ReadonlyMap<string, string>,
): string {
  const each = urls.map((url) => {
    const answer = answers.get(url);
    return `${url}: ${answer === undefined ? (reasons.get(url) ?? 'no answer') : String(answer)}`;
  });
  return each.length === 0 ? 'no endpoint is left' : each.join('; ');
}
