import { asRelayError, checkValue } from '../errors/index.ts';
import { readBounded } from './bounded-answer.ts';
import { checkEndpoint, type EndpointPolicy } from './endpoint-policy.ts';
import { defaultMaxAnswerBytes, type Transport } from './transport.ts';

export interface BrowserTransportOptions extends EndpointPolicy {
  /** Of an HTTP answer or a WebSocket message. Default 1 MiB. */
  readonly maxAnswerBytes?: number;
}

/** The platform's own fetch and WebSocket: for browsers, where names can't be resolved and the network is the user's. Throws bad-value. */
export function createBrowserTransport(options: BrowserTransportOptions = {}): Transport {
  const { maxAnswerBytes = defaultMaxAnswerBytes, ...policy } = options;
  checkValue('maxAnswerBytes', maxAnswerBytes >= 1, '1 or more');
  return {
    async post(url, body, signal) {
      checkEndpoint(url, policy);
      try {
        const answer = await fetch(url, {
          method: 'POST',
          headers: { 'content-type': 'application/octet-stream' },
          body: Uint8Array.from(body),
          ...{ signal, redirect: 'error', credentials: 'omit', referrerPolicy: 'no-referrer' },
        });
        return { status: answer.status, body: await readBounded(piecesOf(answer), maxAnswerBytes, url) };
      } catch (error) {
        signal.throwIfAborted();
        throw asRelayError(error, 'endpoint-failed', { endpoint: url.slice(0, 200) });
      }
    },

    connect(url, handlers, query = '') {
      checkEndpoint(url, policy);
      const socket = new WebSocket(url + query);
      socket.binaryType = 'arraybuffer';
      socket.addEventListener('open', () => {
        handlers.opened();
      });
      socket.addEventListener('message', ({ data }: MessageEvent<unknown>) => {
        // The browser has all of it by now, whatever its size; what is said next shall not be heard.
        if (data instanceof ArrayBuffer && data.byteLength <= maxAnswerBytes) handlers.message(new Uint8Array(data));
        else socket.close();
      });
      socket.addEventListener('close', ({ code }) => {
        handlers.closed(`it was closed (${code})`);
      });
      return {
        send: (bytes) => {
          if (socket.readyState === WebSocket.OPEN) socket.send(Uint8Array.from(bytes));
        },
        close: () => {
          socket.close();
        },
      };
    },

    close: () => Promise.resolve(),
  };
}

/** Not every browser iterates over a stream by itself. */
async function* piecesOf({ body }: Response): AsyncGenerator<Uint8Array> {
  if (body === null) return;
  const reader = body.getReader();
  try {
    for (let piece = await reader.read(); !piece.done; piece = await reader.read()) yield piece.value;
  } finally {
    await reader.cancel().catch(() => undefined); // it failed before
  }
}
