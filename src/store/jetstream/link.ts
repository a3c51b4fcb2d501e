import type { Msg, NatsConnection, RequestOptions } from '@nats-io/transport-node';
import { RelayError } from '../../errors/index.ts';

/**
 * A connection that says at once when there is none: the client itself would keep what is sent meanwhile, without a
 * bound, and leave requests to their timeouts.
 */
export class Link {
  readonly connection: NatsConnection;
  readonly #cut = new Set<() => void>();
  #isUp = true;

  /** `back` is called whenever the connection was lost and is there again. */
  constructor(connection: NatsConnection, back: () => void) {
    this.connection = connection;
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

  /** Rejects when the connection is lost, too. */
  request(subject: string, data: Uint8Array | string | undefined, options: RequestOptions): Promise<Msg> {
    return this.untilCut(() => this.connection.request(subject, data, options));
  }

  /** Rejects when the connection is lost before the work is done. */
  untilCut<T>(work: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.check();
      const stop = this.onCut(() => {
        reject(lost());
      });
      void work().then(resolve, reject).finally(stop);
    });
  }

  /** Throws mail-store-failed where there is no connection. */
  check(): void {
    if (!this.#isUp) throw lost();
  }

  /** Calls `cut` when the connection is lost, until the returned function is called. */
  onCut(cut: () => void): () => void {
    this.#cut.add(cut);
    return () => this.#cut.delete(cut);
  }

  async #follow(back: () => void): Promise<void> {
    for await (const { type } of this.connection.status()) {
      if (type === 'disconnect') {
        this.#isUp = false;
        for (const cut of this.#cut) cut();
        this.#cut.clear();
      } else if (type === 'reconnect') {
        this.#isUp = true;
        back();
      }
    }
  }
}

function lost(): RelayError {
  return new RelayError('mail-store-failed', { details: { action: 'reach NATS', reason: 'there is no connection' } });
}
