import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { WebSocket } from '@fastify/websocket';
import type { FastifyBaseLogger, FastifyInstance, FastifyRequest } from 'fastify';
import { RelayError } from '../errors/index.ts';

export interface WsRoute<T> {
  readonly path: string;
  /** Before the WebSocket is one: what it is for. Throws what it is refused with. */
  readonly admit: (request: FastifyRequest) => T | Promise<T>;
  /** `stream`: what the WebSocket reads from and writes to. */
  readonly accept: (socket: WebSocket, stream: Duplex, address: string, admitted: T) => void;
}

/** What becomes of a WebSocket that breaks; one for all. */
export function failedBy(logger: Pick<FastifyBaseLogger, 'debug' | 'error'>) {
  return function (this: WebSocket, error: Error): void {
    // With a code: what the peer or the network did.
    if ('code' in error) logger.debug({ err: error }, 'a WebSocket broke');
    else logger.error({ err: error }, 'a WebSocket failed');
    this.terminate();
  };
}

/** A WebSocket at a path; who asks there without an upgrade is told so. */
export function addWsRoute<T>(server: FastifyInstance, { path, admit, accept }: WsRoute<T>): void {
  const failed = failedBy(server.log);
  const responses = new WeakMap<IncomingMessage, { readonly response: ServerResponse; readonly admitted: T }>();
  server.route({
    method: 'GET',
    url: path,
    handler: (_, reply) => {
      reply.header('upgrade', 'websocket');
      throw new RelayError('upgrade-required', { details: { path } });
    },
    preHandler: async (request, reply) => {
      if (request.ws) responses.set(request.raw, { response: reply.raw, admitted: await admit(request) });
    },
    wsHandler: (socket, { ip, raw }) => {
      const known = responses.get(raw);
      if (known === undefined) {
        socket.terminate();
        return;
      }
      // Or request and response would stay in memory for as long as the connection does: the plugin's listener knows both.
      known.response.detachSocket(raw.socket);
      socket.removeAllListeners('error').on('error', failed);
      accept(socket, raw.socket, ip, known.admitted);
    },
  });
}
