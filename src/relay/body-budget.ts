import type { FastifyInstance } from 'fastify';
import { RelayError } from '../errors/index.ts';

/** Bounds the bytes of HTTP bodies that are in memory at once; a body without a length counts as the largest. */
export function addBodyBudget(server: FastifyInstance, maxBodyBytes: number, maxPendingBytes: number): void {
  let reserved = 0;
  server.addHook('onRequest', (request, reply, done) => {
    if (request.method !== 'POST') {
      done();
      return;
    }
    const announced = Number(request.headers['content-length'] ?? maxBodyBytes);
    // More than the largest is refused by the parser before it is read.
    const size = Math.min(Number.isFinite(announced) ? announced : maxBodyBytes, maxBodyBytes);
    if (reserved + size > Math.max(maxPendingBytes, maxBodyBytes)) {
      done(new RelayError('relay-busy', { details: { what: `${maxPendingBytes} bytes of requests in flight` } }));
      return;
    }
    reserved += size;
    reply.raw.once('close', () => (reserved -= size));
    done();
  });
}
