import type { RelayFrame } from './relay-frames.ts';

/** What is said to the peer of one WebSocket. An interface and no callbacks: there are thousands of connections. */
export interface FrameSink {
  send(frame: RelayFrame): void;
  /** Answers one request with an error. */
  refuse(id: number, error: unknown): void;
  /** Tells why, and ends the connection. */
  fail(error: unknown): void;
}
