import type { connect } from 'node:net';
import { framedConnection } from './framed-connection.ts';

// `ws` where there is Node (its global WebSocket is absent or slower), the platform's own in a browser.
// Shims of `process` in browsers pass for Node in any softer test.
const isNode = Object.prototype.toString.call(globalThis.process) === '[object process]';

/** Most bytes of one answer: far above a node's own limit of 15 MB, and a bound on what a hostile one can make us hold. */
const maxAnswerBytes = 128 * 1024 * 1024;

/** The part of a WebSocket that is used here. */
export interface PlainSocket {
  onopen: ((event: never) => void) | null;
  onclose: ((event: { readonly code: number; readonly reason: string }) => void) | null;
  onerror: ((event: { readonly message?: string }) => void) | null;
  send(text: string): void;
  close(): void;
  /** Only in Node: closes without the handshake that a dead peer never answers. */
  terminate?(): void;
  /** Only in Node. */
  pong?(): void;
}

/** `onText` gets text frames: as bytes in Node, as strings in a browser. Binary ones are dropped. */
export async function createWebSocket(url: string, onText: (frame: string | Uint8Array) => void): Promise<PlainSocket> {
  if (!isNode) {
    const socket = new WebSocket(url);
    socket.onmessage = ({ data }) => {
      if (typeof data === 'string') onText(data);
    };
    return socket as unknown as PlainSocket;
  }
  const { WebSocket: NodeWebSocket } = await import('ws');
  // Of TLS what is read has to be deciphered into new memory anyway.
  const framed = /^ws:/i.test(url) ? framedConnection() : undefined;
  const socket = new NodeWebSocket(url, {
    perMessageDeflate: false,
    maxPayload: maxAnswerBytes,
    ...(framed && { createConnection: framed.createConnection as typeof connect }),
  });
  if (framed) socket.once('upgrade', framed.upgraded);
  socket.on('message', (data, isBinary) => {
    // In one piece, as `binaryType` is by default.
    if (!isBinary) onText(data as Buffer);
  });
  return socket as unknown as PlainSocket;
}
