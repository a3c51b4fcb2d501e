import { createInbox, type Msg, type MsgHdrs, type NatsConnection } from '@nats-io/transport-node';
import { RelayError } from '../../errors/index.ts';

export interface RequestOptions {
  readonly headers?: MsgHdrs;
  /** ms. */
  readonly timeout: number;
}

/** Where answers go that one listener gets. */
export interface Listening {
  /** A subject; more tokens may follow it. */
  readonly reply: string;
  readonly stop: () => void;
}

/**
 * A connection that says at once when there is none: the client itself would keep what is sent meanwhile, without a
 * bound, and leave requests to their timeouts. All answers come by one subscription, for a third of the price of the
 * client's requests.
 */
export class Link {
  readonly connection: NatsConnection;
  readonly #cut = new Set<() => void>();
  readonly #inbox = createInbox();
  readonly #listeners = new Map<string, (answer: Msg | undefined) => void>();
  #lastListener = 0;
  #isUp = true;
  #isClosing = false;

  /**
   * `back` is called whenever the connection was lost and is there again; `ended` where it is closed, once and for all, and nobody here
   * has closed it.
   */
  constructor(connection: NatsConnection, back: () => void, ended: (error: RelayError) => void) {
    this.connection = connection;
    void connection.closed().then((cause) => {
      this.#isUp = false;
      // There may have been no 'disconnect' before.
      for (const cut of this.#cut) cut();
      if (this.#isClosing) return;
      const reason = `the connection was closed: ${cause?.message ?? 'nobody says why'}`;
      const servers = connection.getServer();
      ended(new RelayError('nats-failed', { details: { servers, reason }, ...(cause !== undefined && { cause }) }));
    });
    connection.subscribe(`${this.#inbox}.>`, {
      callback: (error, message) => {
        if (error === null) this.#listeners.get(this.#listenerOf(message.subject))?.(message);
      },
    });
    void this.#follow(back);
  }

  get isUp(): boolean {
    return this.#isUp;
  }

  get isClosed(): boolean {
    return this.connection.isClosed();
  }

  publish(subject: string, data: Uint8Array | string | undefined, options: Parameters<NatsConnection['publish']>[2]) {
    this.check();
    this.connection.publish(subject, data, options);
  }

  /** Calls `answered` for each answer, with undefined when the connection is lost. */
  listen(answered: (answer: Msg | undefined) => void): Listening {
    const listener = String(++this.#lastListener);
    this.#listeners.set(listener, answered);
    return { reply: `${this.#inbox}.${listener}`, stop: () => this.#listeners.delete(listener) };
  }

  /** Rejects after the time, when nobody is there to answer, and when the connection is lost. */
  request(subject: string, data: Uint8Array | string | undefined, options: RequestOptions): Promise<Msg> {
    const { headers, timeout } = options;
    return new Promise((resolve, reject) => {
      const { reply, stop } = this.listen((answer) => {
        end();
        if (answer === undefined) reject(lost());
        else if (answer.data.length === 0 && answer.headers?.code === 503) reject(failed('nobody answers'));
        else resolve(answer);
      });
      const timer = setTimeout(() => {
        end();
        reject(failed('NATS does not answer'));
      }, timeout);
      const end = (): void => {
        clearTimeout(timer);
        stop();
      };
      try {
        this.publish(subject, data, { reply, ...(headers !== undefined && { headers }) });
      } catch (error) {
        end();
        reject(error instanceof Error ? error : new Error(String(error)));
      }
    });
  }

  /** Rejects when the connection is lost before the work is done. */
  untilCut<T>(work: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.check();
      const cut = (): void => {
        reject(lost());
      };
      this.#cut.add(cut);
      void work()
        .then(resolve, reject)
        .finally(() => this.#cut.delete(cut));
    });
  }

  /** Idempotent. */
  close(): Promise<void> {
    this.#isClosing = true;
    return this.connection.close();
  }

  /** Throws mail-store-failed where there is no connection. */
  check(): void {
    if (!this.#isUp) throw lost();
  }

  #listenerOf(subject: string): string {
    const start = this.#inbox.length + 1;
    const end = subject.indexOf('.', start);
    return subject.slice(start, end === -1 ? undefined : end);
  }

  async #follow(back: () => void): Promise<void> {
    for await (const { type } of this.connection.status()) {
      if (type === 'disconnect') {
        this.#isUp = false;
        for (const cut of this.#cut) cut();
        for (const answered of [...this.#listeners.values()]) answered(undefined);
      } else if (type === 'reconnect') {
        this.#isUp = true;
        back();
      }
    }
    // It is closed.
    for (const answered of [...this.#listeners.values()]) answered(undefined);
  }
}

function lost(): RelayError {
  return failed('there is no connection');
}

function failed(reason: string): RelayError {
  return new RelayError('mail-store-failed', { details: { action: 'reach NATS', reason } });
}
