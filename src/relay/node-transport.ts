import type { Duplex } from 'node:stream';
import { Agent, request } from 'undici';
import { WebSocket, type RawData } from 'ws';
import { asRelayError, checkValue, isRelayError, type RelayError } from '../errors/index.ts';
import { checkTimer } from '../signals/index.ts';
import { readBounded } from './bounded-answer.ts';
import { checkEndpoint, type EndpointPolicy } from './endpoint-policy.ts';
import { pinnedLookup } from './pinned-lookup.ts';
import { createNameResolver, type ResolveAll } from './resolve-name.ts';
import {
  defaultMaxAnswerBytes,
  type HttpAnswer,
  type Socket,
  type SocketHandlers,
  type Transport,
} from './transport.ts';

export interface NodeTransportOptions extends EndpointPolicy {
  /** Time to connect, and between bytes of an answer, ms. Default 10 000. */
  readonly timeoutMs?: number;
  /** Of an HTTP answer or a WebSocket message. Default 1 MiB. */
  readonly maxAnswerBytes?: number;
  /** Resolves names. Default by the hosts file and DNS, and where private addresses are allowed by the system too. */
  readonly resolve?: ResolveAll;
}

const defaults = { timeoutMs: 10_000, maxAnswerBytes: defaultMaxAnswerBytes };
/** For HTTP, to one endpoint: a relay cuts who opens hundreds. More requests wait for one of them. */
const maxHttpConnections = 64;

/** Of a socket whose every byte is counted. */
export interface NodeSocketHandlers extends SocketHandlers {
  /** So many bytes have come, after what they made whole was told. */
  arrived?(bytes: number): void;
  /** A ping, which is answered, or a pong came, with so many bytes in it. */
  control?(length: number): void;
}

/** A socket that need not be read from. */
export interface NodeSocket extends Socket {
  /** Bytes that wait to be sent. */
  readonly buffered: number;
  pause(): void;
  resume(): void;
  /** Ends it without a goodbye; `closed` is told. */
  terminate(): void;
}

export interface NodeTransport extends Transport {
  /** `maxBytes`: of a message. Default `maxAnswerBytes`. */
  connect(url: string, handlers: NodeSocketHandlers, query?: string, maxBytes?: number): NodeSocket;
}

/** HTTP by undici and WebSocket by ws, both through one endpoint policy. Throws bad-value. */
export function createNodeTransport(options: NodeTransportOptions = {}): NodeTransport {
  const { timeoutMs, maxAnswerBytes } = { ...defaults, ...options };
  checkTimer('timeoutMs', timeoutMs);
  checkValue('maxAnswerBytes', maxAnswerBytes >= 1, '1 or more');
  const { resolve = createNameResolver({ askSystem: options.allowPrivate === true }) } = options;
  const lookup = pinnedLookup(options, resolve);
  const agent = new Agent({
    connections: maxHttpConnections,
    connect: { lookup, timeout: timeoutMs },
    headersTimeout: timeoutMs,
    bodyTimeout: timeoutMs,
  });

  return {
    async post(url, body, signal): Promise<HttpAnswer> {
      checkEndpoint(url, options);
      try {
        const headers = { 'content-type': 'application/octet-stream' };
        // request() follows no redirect.
        const answer = await request(url, { dispatcher: agent, method: 'POST', headers, body, signal });
        return { status: answer.statusCode, body: await readBounded(answer.body, maxAnswerBytes, url) };
      } catch (error) {
        signal.throwIfAborted();
        throw failure(error, url);
      }
    },

    connect(url, handlers, query = '', maxBytes = maxAnswerBytes): NodeSocket {
      checkEndpoint(url, options);
      return openSocket(
        new WebSocket(url + query, {
          ...{ lookup, followRedirects: false, perMessageDeflate: false },
          handshakeTimeout: timeoutMs,
          maxPayload: maxBytes,
          // Each takes memory, however short: nobody needs many to send one message.
          ...{ maxFragments: 256, maxBufferedChunks: 2_048 },
        }),
        handlers,
      );
    },

    close: () => agent.destroy(),
  };
}

function openSocket(socket: WebSocket, handlers: NodeSocketHandlers): NodeSocket {
  let failed: string | undefined;
  let stream: Duplex | undefined;
  socket.on('upgrade', (response) => (stream = response.socket));
  socket.on('open', () => {
    // After the WebSocket, which listened first, has made what it can of it.
    if (handlers.arrived !== undefined) stream?.on('data', (chunk: Buffer) => handlers.arrived?.(chunk.length));
    handlers.opened();
  });
  socket.on('message', (data: RawData, isBinary: boolean) => {
    if (isBinary && data instanceof Uint8Array) handlers.message(data);
    else socket.close();
  });
  socket.on('ping', (data) => handlers.control?.(data.length));
  socket.on('pong', (data) => handlers.control?.(data.length));
  socket.on('error', (error) => (failed = error.message));
  socket.on('close', (code) => {
    handlers.closed(failed ?? `it was closed (${code})`);
  });
  return {
    send: (bytes) => {
      socket.send(bytes, () => undefined);
    },
    close: () => {
      socket.close();
    },
    get buffered() {
      return socket.bufferedAmount;
    },
    pause: () => {
      socket.pause();
    },
    resume: () => {
      socket.resume();
    },
    terminate: () => {
      socket.terminate();
    },
  };
}

function failure(error: unknown, endpoint: string): RelayError {
  const cause = error instanceof Error && isRelayError(error.cause) ? error.cause : error;
  return isRelayError(cause) ? cause : asRelayError(error, 'endpoint-failed', { endpoint: endpoint.slice(0, 200) });
}
