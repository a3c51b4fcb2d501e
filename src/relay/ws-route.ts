import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { WebSocket } from '@fastify/websocket';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { RelayError } from '../errors/index.ts';

export interface WsRoute<T> {
  readonly path: string;
  /** Before the WebSocket is one: what it is for. Throws what it is refused with. */
  readonly admit: (request: FastifyRequest) => T;
  /** `stream`: what the WebSocket reads from and writes to. */
  readonly accept: (socket: WebSocket, stream: Duplex, address: string, admitted: T) => void;
}

/** A WebSocket at a path; who asks there without an upgrade is told so. */
export function addWsRoute<T>(server: FastifyInstance, { path, admit, accept }: WsRoute<T>): void {
  const responses = new WeakMap<IncomingMessage, { readonly response: ServerResponse; readonly admitted: T }>();
  server.route({
    method: 'GET',
    url: path,
    handler: (_, reply) => {
      reply.header('upgrade', 'websocket');
      throw new RelayError('upgrade-required', { details: { path } });
    },
    preHandler: (request, reply, done) => {
      try {
        if (request.ws) responses.set(request.raw, { response: reply.raw, admitted: admit(request) });
        done();
      } catch (error) {
        done(error as Error);
      }
    },
    wsHandler: (socket, { ip, raw }) => {
      const known = responses.get(raw);
      if (known === undefined) {
        socket.terminate();
        return;
      }
      // Or request and response would stay in memory for as long as the connection does.
      known.response.detachSocket(raw.socket);
      accept(socket, raw.socket, ip, known.admitted);
    },
  });
}
