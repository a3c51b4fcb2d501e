import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { asRelayError } from '../errors/index.ts';
import type { Metrics } from './metrics.ts';

export interface ListenAddress {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
}

// Whoever collects them is one, or a few.
const maxConnections = 64;
const requestTimeoutMs = 10_000;

/** GET /metrics on a listener of its own, as for a network that strangers do not reach. Throws listen-failed. */
export async function listenForMetrics(metrics: Metrics, { host, port }: ListenAddress): Promise<Server> {
  const timeouts = { requestTimeout: requestTimeoutMs, headersTimeout: requestTimeoutMs };
  const server = createServer(timeouts, ({ method, url }, response) => {
    if (method !== 'GET' || url?.split('?', 1)[0] !== '/metrics') {
      response.writeHead(404).end();
      return;
    }
    metrics.exposition().then(
      (text) => response.writeHead(200, { 'content-type': metrics.contentType }).end(text),
      () => response.writeHead(500).end(),
    );
  });
  server.maxConnections = maxConnections;
  // One that does not read its answer.
  server.timeout = requestTimeoutMs;
  try {
    server.listen({ host, port });
    await once(server, 'listening');
    return server;
  } catch (error) {
    throw asRelayError(error, 'listen-failed', { address: `${host}:${port}` });
  }
}

/** http://HOST:PORT that a server listens on. */
export function urlOf(server: Pick<Server, 'address'>, scheme: 'http' | 'https' = 'http'): string {
  const { address, family, port } = server.address() as AddressInfo;
  return `${scheme}://${family === 'IPv6' ? `[${address}]` : address}:${port}`;
}
