const triesEveryMs = 100;

/** Asks a node over HTTP: no connection that a crash of the node could break. Waits until it answers. */
export class Rpc {
  readonly #url: string;
  readonly #signal: AbortSignal;
  #id = 0;

  /** @param ws of the node, which answers HTTP on the same port. */
  constructor(ws: string, signal: AbortSignal) {
    this.#url = ws.replace(/^ws/, 'http');
    this.#signal = signal;
  }

  /** Throws what the node refuses, and when the signal fires. */
  async ask<T>(method: string, ...params: readonly unknown[]): Promise<T> {
    for (;;) {
      this.#signal.throwIfAborted();
      const answer = await this.#try(method, params);
      if (answer === undefined) {
        await new Promise((resolve) => setTimeout(resolve, triesEveryMs));
        continue;
      }
      if (answer.error !== undefined) throw new Error(`${method}: ${answer.error.message} ${answer.error.data ?? ''}`);
      return answer.result as T;
    }
  }

  async #try(method: string, params: readonly unknown[]): Promise<Answer | undefined> {
    try {
      const body = JSON.stringify({ jsonrpc: '2.0', id: ++this.#id, method, params });
      const headers = { 'content-type': 'application/json' };
      const response = await fetch(this.#url, { method: 'POST', body, headers });
      return (await response.json()) as Answer;
    } catch {
      return undefined; // away for now
    }
  }
}

interface Answer {
  readonly result?: unknown;
  readonly error?: { readonly message: string; readonly data?: string };
}
