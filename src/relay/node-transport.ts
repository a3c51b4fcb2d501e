import { Agent, request } from 'undici';
import { WebSocket, type RawData } from 'ws';
import { asRelayError, isRelayError, type RelayError } from '../errors/index.ts';
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

/** A socket that need not be read from. */
export interface NodeSocket extends Socket {
  /** Bytes that wait to be sent. */
  readonly buffered: number;
  pause(): void;
  resume(): void;
}

export interface NodeTransport extends Transport {
  connect(url: string, handlers: SocketHandlers, query?: string): NodeSocket;
}

/** HTTP by undici and WebSocket by ws, both through one endpoint policy. */
export function createNodeTransport(options: NodeTransportOptions = {}): NodeTransport {
  const { timeoutMs, maxAnswerBytes } = { ...defaults, ...options };
  const { resolve = createNameResolver({ askSystem: options.allowPrivate === true }) } = options;
  const lookup = pinnedLookup(options, resolve);
  const agent = new Agent({
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

    connect(url, handlers, query = ''): NodeSocket {
      checkEndpoint(url, options);
      return openSocket(
        new WebSocket(url + query, {
          ...{ lookup, followRedirects: false, perMessageDeflate: false },
          handshakeTimeout: timeoutMs,
          maxPayload: maxAnswerBytes,
        }),
        handlers,
      );
    },

    close: () => agent.destroy(),
  };
}

function openSocket(socket: WebSocket, handlers: SocketHandlers): NodeSocket {
  let failed: string | undefined;
  socket.on('open', () => {
    handlers.opened();
  });
  socket.on('message', (data: RawData, isBinary: boolean) => {
    if (isBinary && data instanceof Uint8Array) handlers.message(data);
    else socket.close();
  });
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
  };
}

function failure(error: unknown, endpoint: string): RelayError {
  const cause = error instanceof Error && isRelayError(error.cause) ? error.cause : error;
  return isRelayError(cause) ? cause : asRelayError(error, 'endpoint-failed', { endpoint: endpoint.slice(0, 200) });
}
