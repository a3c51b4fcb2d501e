import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { STATUS_CODES } from 'node:http';
import { RelayError } from '../errors/index.ts';
import { problemType, toProblem } from './problem.ts';

// For a refusal to be on its way.
const unreadMs = 1_000;

/** Answers on a socket that is not HTTP's any more, or never was, and ends it. `status`: default that of the error. */
export function refuseSocket(socket: Duplex, error: RelayError, status?: number): void {
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  const problem = { ...toProblem(error), ...(status !== undefined && { status }) };
  const body = JSON.stringify(problem);
  const head = [
    `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status] ?? ''}`,
    `content-type: ${problemType}`,
    `content-length: ${Buffer.byteLength(body)}`,
    'connection: close',
  ];
  // Whatever the peer does with it: nothing else would time out this socket.
  const timer = setTimeout(() => {
    socket.destroy();
  }, unreadMs);
  socket
    .on('error', () => undefined)
    .once('close', () => {
      clearTimeout(timer);
    });
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`, () => {
    socket.destroy();
  });
}

/**
 * Leaves the upgrade of a connection to those who listen for it where there is a WebSocket; elsewhere it is refused. Node takes such a
 * socket off its list, and with that all timeouts, before anybody has looked at what is asked for.
 */
export function guardUpgrades(server: Server, isWebSocket: (path: string) => boolean): void {
  type Upgrade = (request: IncomingMessage, socket: Duplex, head: Buffer) => void;
  const listeners = server.listeners('upgrade') as Upgrade[];
  server.removeAllListeners('upgrade');
  server.on('upgrade', (request, socket, head) => {
    const { method = '', url = '' } = request;
    const path = url.split('?', 1)[0] ?? '';
    if (method !== 'GET' || !isWebSocket(path))
      refuseSocket(socket, new RelayError('no-such-route', { details: { method, path: path.slice(0, 200) } }));
    else for (const listener of listeners) listener.call(server, request, socket, head);
  });
}
