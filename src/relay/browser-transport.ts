import { asRelayError } from '../errors/index.ts';
import { checkEndpoint, type EndpointPolicy } from './endpoint-policy.ts';
import type { Transport } from './transport.ts';

/** The platform's own fetch and WebSocket: for browsers, where names can't be resolved and the network is the user's. */
export function createBrowserTransport(policy: EndpointPolicy = {}): Transport {
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
        return { status: answer.status, body: new Uint8Array(await answer.arrayBuffer()) };
      } catch (error) {
        signal.throwIfAborted();
        throw asRelayError(error, 'endpoint-failed', { endpoint: url.slice(0, 200) });
      }
    },

    connect(url, handlers) {
      checkEndpoint(url, policy);
      const socket = new WebSocket(url);
      socket.binaryType = 'arraybuffer';
      socket.addEventListener('open', () => {
        handlers.opened();
      });
      socket.addEventListener('message', ({ data }: MessageEvent<unknown>) => {
        if (data instanceof ArrayBuffer) handlers.message(new Uint8Array(data));
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
