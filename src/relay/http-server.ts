import type { FastifyBaseLogger, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { createServer as createHttpServer, type Server } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { isIP } from 'node:net';
import { createSecureContext } from 'node:tls';
import type { Logger } from 'pino';
import { asRelayError, RelayError } from '../errors/index.ts';
import { limitConnections } from './connection-limit.ts';
import type { FailureLog } from './failure-log.ts';
import { frameOverhead } from './frames.ts';
import { httpStatusOf } from './http-status.ts';
import { inTurn } from './http-turns.ts';
import type { RelayLimits } from './limits.ts';
import { guardUpgrades, refuseSocket } from './http-refusal.ts';
import { fromFastify, problemType, toProblem } from './problem.ts';
import { addRequestBodies } from './request-bodies.ts';
import type { RelayOptions } from './relay-options.ts';
import { addressKey, TokenBuckets } from './token-buckets.ts';
import { failedBy } from './ws-route.ts';

export interface HttpServerParts {
  readonly tls: RelayOptions['tls'];
  readonly trustProxy: RelayOptions['trustProxy'];
  readonly limits: RelayLimits;
  readonly logger: Logger;
  readonly failures: FailureLog;
  /** Unix time, ms. */
  readonly clock: () => number;
  /** Charges an address for so many units. Throws rate-limited. */
  readonly charge: (address: string, units: number) => void;
  /** A request was refused before anything read what it carries. */
  readonly refused: (code: string) => void;
  /** A connection was ended. */
  readonly connectionEnded: (reason: 'too-many' | 'pipelined' | 'slow-reader') => void;
}

const maxHeaderBytes = 16 * 1024;
const secondsPerDay = 86_400;
// Of the relay's routes.
const methods = ['GET', 'POST'];
// What Node finds amiss before there is a request.
const clientFaults: Readonly<Record<string, readonly [status: number, reason: string]>> = {
  HPE_HEADER_OVERFLOW: [431, 'its head is too large'],
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'it did not arrive in time'],
};
const webSockets: ReadonlySet<string> = new Set(['/v1/ws', '/v1/tunnel']);

/** fastify with the relay's limits, parsers and error format; no routes yet. */
export async function createFastify(parts: HttpServerParts): Promise<FastifyInstance> {
  const { limits, tls, trustProxy, logger } = parts;
  // Loaded by who serves: clients, which are most programs, start sooner without.
  const [{ fastify, LogController }, { default: cors }, { default: websocket }] = await Promise.all([
    import('fastify'),
    import('@fastify/cors'),
    import('@fastify/websocket'),
  ]);
  const timeouts = {
    requestTimeout: limits.requestTimeoutMs,
    headersTimeout: limits.requestTimeoutMs,
    connectionsCheckingInterval: Math.ceil(limits.requestTimeoutMs / 4),
    maxHeaderSize: maxHeaderBytes,
  };
  const loggerInstance: FastifyBaseLogger = logger;
  // A handshake that does not end is a request that does not arrive.
  const secure = tls === undefined ? undefined : { ...secureOptions(tls), handshakeTimeout: limits.requestTimeoutMs };
  const proxies = checkProxies(trustProxy ?? []);
  const queries = new TokenBuckets('this address', limits.perAddressQueries, limits.maxTracked, parts.clock);
  const server = fastify({
    serverFactory: (handler): Server => {
      const options = { ...timeouts, ...secure };
      const oneByOne = inTurn(handler, { slowReaderMs: limits.slowReaderMs, ended: parts.connectionEnded });
      const made = tls === undefined ? createHttpServer(options, oneByOne) : createHttpsServer(options, oneByOne);
      made.maxConnections = limits.maxConnections;
      limitConnections(made, {
        most: 2 * limits.maxConnectionsPerAddress,
        opened: new TokenBuckets('this address', limits.perAddressConnections, limits.maxTracked, parts.clock),
        proxies,
        refused: () => {
          parts.connectionEnded('too-many');
        },
      });
      return made;
    },
    trustProxy: trustProxy === undefined ? false : proxies,
    loggerInstance,
    logController: new LogController({ disableRequestLogging: true }),
    forceCloseConnections: 'idle',
    exposeHeadRoutes: false,
    // It would answer in words of its own; what brings a message is refused with ours, and all else may be told to the end.
    return503OnClosing: false,
    // What fastify and Node refuse before there is a route: no hook of ours runs for it.
    frameworkErrors: (error, request, reply) => {
      try {
        queries.take(addressKey(request.ip));
      } catch (refusal) {
        refuse(refusal, reply);
        return;
      }
      sendProblem(fromFastify(error), reply);
    },
    clientErrorHandler: ({ code, message }, socket) => {
      // Who does not speak HTTP, or not to the end of a TLS handshake, is told nothing.
      if (!code.startsWith('HPE_') && code !== 'ERR_HTTP_REQUEST_TIMEOUT') {
        socket.destroy();
        return;
      }
      const [status, reason] = clientFaults[code] ?? [httpStatusOf('bad-request'), message];
      refuseSocket(socket, new RelayError('bad-request', { details: { reason } }), status);
    },
  });
  const refuse = (error: unknown, reply: FastifyReply): void => {
    const known = asRelayError(error, 'relay-failed');
    parts.refused(known.code);
    // To be refused again it pays for a connection.
    reply.header('connection', 'close');
    sendProblem(known, reply);
  };
  const failed = failedBy(logger);
  // Its hooks before ours: it ends the socket of an upgrade that one of them refuses, which is on no list of Node's any more.
  await server.register(websocket, {
    options: {
      maxPayload: limits.maxMessageBytes + frameOverhead,
      // Each takes memory, however short: nobody needs many to send one message.
      maxFragments: 256,
      maxBufferedChunks: 2_048,
      perMessageDeflate: false,
      // A session answers, and counts what waits to be read.
      autoPong: false,
    },
    errorHandler: (error, socket) => {
      failed.call(socket, error);
    },
  });
  addCharges(server, queries, parts, refuse);
  addErrorFormat(server, parts);
  addRequestBodies(server, parts);
  // Nothing here goes by cookies or addresses that a page would borrow: any page may be a sender, as any program may. How the
  // relay fares is no page's business.
  await server.register(cors, {
    delegator: ({ url }, done) => {
      const origin = /^\/metrics(\?|$)/.test(url) ? false : '*';
      done(null, { origin, exposedHeaders: ['retry-after'], maxAge: secondsPerDay, strictPreflight: false });
    },
  });
  guardUpgrades(server.server, (path) => webSockets.has(path));
  return server;
}

/** Each request is paid for before anything else: by what brings messages as a message, by others as a query. */
function addCharges(
  server: FastifyInstance,
  queries: TokenBuckets,
  { charge }: HttpServerParts,
  refuse: (error: unknown, reply: FastifyReply) => void,
): void {
  server.addHook('onRequest', ({ method, ip }, reply, done) => {
    try {
      if (method === 'POST') charge(ip, 1);
      else queries.take(addressKey(ip));
      done();
    } catch (error) {
      refuse(error, reply);
    }
  });
}

function addErrorFormat(server: FastifyInstance, { failures }: HttpServerParts): void {
  const routes = new Map<string, string[]>();
  server.addHook('onRoute', ({ url, method }) => {
    routes.set(url, [...(routes.get(url) ?? []), ...[method].flat()]);
  });
  server.setErrorHandler((error, _, reply) => {
    const known = fromFastify(error);
    if (httpStatusOf(known.code) === 500) failures.add(known, 'a request failed');
    return sendProblem(known, reply);
  });
  const nothingHere = ({ method, url }: FastifyRequest, reply: FastifyReply): FastifyReply => {
    const path = url.split('?', 1)[0] ?? '/';
    const allowed = methods.filter((each) => routes.get(path)?.includes(each)).join(', ');
    if (allowed !== '') reply.header('allow', allowed);
    return sendProblem(
      allowed === ''
        ? new RelayError('no-such-route', { details: { method, path } })
        : new RelayError('method-not-allowed', { details: { method, path, allowed } }),
      reply,
    );
  };
  // Before anything asks for a body of theirs.
  server.addHook('onRequest', (request, reply, done) => {
    const { method, is404 } = request;
    if (method === 'OPTIONS' || (methods.includes(method) && !(is404 && method === 'POST'))) {
      done();
      return;
    }
    // Whatever it carries is left unread.
    if (method !== 'HEAD') reply.header('connection', 'close');
    nothingHere(request, reply);
  });
  server.setNotFoundHandler(nothingHere);
}

function sendProblem(error: RelayError, reply: FastifyReply): FastifyReply {
  const problem = toProblem(error);
  const { retryAfterMs } = error.details ?? {};
  if (typeof retryAfterMs === 'number') reply.header('retry-after', Math.ceil(retryAfterMs / 1000));
  return reply.code(problem.status).type(problemType).send(problem);
}

/** As Node takes it. Throws tls-failed for what it does not. */
export function secureOptions({ cert, key }: NonNullable<RelayOptions['tls']>): { cert: Buffer; key: Buffer } {
  const options = { cert: Buffer.from(cert), key: Buffer.from(key) };
  try {
    createSecureContext(options);
    return options;
  } catch (error) {
    throw asRelayError(error, 'tls-failed');
  }
}

/** fastify would take a name that it does not know to be a bug of ours. Throws bad-setting. */
function checkProxies(proxies: readonly string[]): string[] {
  for (const proxy of proxies) {
    const [address = '', bits = '', ...more] = proxy.split('/');
    const most = isIP(address) === 6 ? 128 : 32;
    const isRange = more.length === 0 && (bits === '' || (/^[0-9]{1,3}$/.test(bits) && Number(bits) <= most));
    if (isIP(address) === 0 || !isRange || proxy.endsWith('/'))
      throw new RelayError('bad-setting', {
        details: { name: 'trustProxy', reason: `${proxy.slice(0, 80)} is neither an address nor a CIDR range` },
      });
  }
  return [...proxies];
}
