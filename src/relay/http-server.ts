import cors from '@fastify/cors';
import websocket from '@fastify/websocket';
import fastify, { LogController, type FastifyBaseLogger, type FastifyInstance } from 'fastify';
import { createServer as createHttpServer, type Server } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { Logger } from 'pino';
import { RelayError } from '../errors/index.ts';
import { addBodyBudget } from './body-budget.ts';
import { frameOverhead } from './frames.ts';
import type { RelayLimits } from './limits.ts';
import { fromFastify, problemType, toProblem } from './problem.ts';
import type { RelayOptions } from './relay-options.ts';

export interface HttpServerParts {
  readonly tls: RelayOptions['tls'];
  readonly trustProxy: RelayOptions['trustProxy'];
  readonly limits: RelayLimits;
  readonly logger: Logger;
}

const maxHeaderBytes = 16 * 1024;
const secondsPerDay = 86_400;

/** fastify with the relay's limits, parsers and error format; no routes yet. */
export async function createFastify(parts: HttpServerParts): Promise<FastifyInstance> {
  const { limits, tls, trustProxy, logger } = parts;
  const timeouts = {
    requestTimeout: limits.requestTimeoutMs,
    headersTimeout: limits.requestTimeoutMs,
    connectionsCheckingInterval: Math.ceil(limits.requestTimeoutMs / 4),
    maxHeaderSize: maxHeaderBytes,
  };
  const loggerInstance: FastifyBaseLogger = logger;
  const server = fastify({
    serverFactory: (handler): Server => {
      const options = { ...timeouts, ...(tls !== undefined && { cert: pem(tls.cert), key: pem(tls.key) }) };
      const made = tls === undefined ? createHttpServer(options, handler) : createHttpsServer(options, handler);
      made.maxConnections = limits.maxConnections;
      return made;
    },
    bodyLimit: limits.maxBodyBytes,
    trustProxy: trustProxy === undefined ? false : [...trustProxy],
    loggerInstance,
    logController: new LogController({ disableRequestLogging: true }),
    forceCloseConnections: 'idle',
    exposeHeadRoutes: false,
  });
  server.addContentTypeParser('application/octet-stream', { parseAs: 'buffer' }, (_, body, done) => {
    done(null, body);
  });
  addErrorFormat(server, parts);
  addBodyBudget(server, limits.maxBodyBytes, limits.maxPendingBytes);
  // Nothing here goes by cookies or addresses that a page would borrow: any page may be a sender, as any program may.
  await server.register(cors, { origin: '*', exposedHeaders: ['retry-after'], maxAge: secondsPerDay });
  await server.register(websocket, {
    options: { maxPayload: limits.maxMessageBytes + frameOverhead, perMessageDeflate: false },
    errorHandler: (_, socket) => {
      socket.terminate();
    },
  });
  return server;
}

function addErrorFormat(server: FastifyInstance, { limits, logger }: HttpServerParts): void {
  server.setErrorHandler((error, _, reply) => {
    const known = fromFastify(error, limits.maxBodyBytes);
    const problem = toProblem(known);
    if (problem.status === 500) logger.error({ err: known }, 'a request failed');
    const { retryAfterMs } = known.details ?? {};
    if (typeof retryAfterMs === 'number') reply.header('retry-after', Math.ceil(retryAfterMs / 1000));
    return reply.code(problem.status).type(problemType).send(problem);
  });
  server.setNotFoundHandler(({ method, url }, reply) => {
    const details = { method, path: url.split('?', 1)[0] ?? '/' };
    const problem = toProblem(new RelayError('no-such-route', { details }));
    return reply.code(problem.status).type(problemType).send(problem);
  });
}

function pem(text: string | Uint8Array): string | Buffer {
  return typeof text === 'string' ? text : Buffer.from(text);
}
