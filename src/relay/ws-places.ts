import type { WebSocket } from '@fastify/websocket';
import { addressKey } from './token-buckets.ts';

// For a close frame to arrive.
const turnAwayMs = 1_000;

/** How many WebSockets each address has open. */
export class WsPlaces {
  readonly #most: number;
  readonly #perAddress = new Map<string, number>();

  /** `most`: of one address. */
  constructor(most: number) {
    this.#most = most;
  }

  /** False: the address has as many as it may. */
  take(address: string): boolean {
    const key = addressKey(address);
    const open = this.#perAddress.get(key) ?? 0;
    if (open >= this.#most) return false;
    this.#perAddress.set(key, open + 1);
    return true;
  }

  giveBack(address: string): void {
    const key = addressKey(address);
    const open = (this.#perAddress.get(key) ?? 1) - 1;
    if (open === 0) this.#perAddress.delete(key);
    else this.#perAddress.set(key, open);
  }
}

/** Closes one that has no place here, or none any more. */
export function turnAway(socket: WebSocket, code: number, reason: string): void {
  socket.close(code, reason);
  const timer = setTimeout(() => {
    socket.terminate();
  }, turnAwayMs);
  socket.once('close', () => {
    clearTimeout(timer);
  });
}
