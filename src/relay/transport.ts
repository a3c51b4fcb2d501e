/** Of an HTTP answer or a WebSocket message. */
export const defaultMaxAnswerBytes = 2 ** 20;

/** How a relay or a client reaches others. The Node one pins DNS and refuses private addresses; a browser has its own. */
export interface Transport {
  /**
   * POSTs bytes; follows no redirect and bounds the answer. Throws endpoint-refused, endpoint-failed, or the signal's
   * reason.
   */
  post(url: string, body: Uint8Array, signal: AbortSignal): Promise<HttpAnswer>;
  /**
   * Opens a WebSocket. `query`: of ours, which no endpoint has; with its `?`. Throws endpoint-refused; any later failure is told
   * by `closed`.
   */
  connect(url: string, handlers: SocketHandlers, query?: string): Socket;
  /** Ends kept connections. Idempotent. */
  close(): Promise<void>;
}

export interface HttpAnswer {
  readonly status: number;
  readonly body: Uint8Array;
}

export interface SocketHandlers {
  opened(): void;
  /** A binary message; text is told as closed. */
  message(bytes: Uint8Array): void;
  /** Once, after which nothing more is told. */
  closed(reason: string): void;
}

export interface Socket {
  send(bytes: Uint8Array): void;
  close(): void;
}
