import { createBrowserTransport } from './browser-transport.ts';
import { createClient, type RelayClient, type RelayClientOptions } from './client.ts';
import type { EndpointPolicy } from './endpoint-policy.ts';

export type BrowserRelayClientOptions = Omit<RelayClientOptions, 'transport'> & EndpointPolicy;

/** A client with the browser's fetch and WebSocket. */
export function createRelayClient(options: BrowserRelayClientOptions): RelayClient {
  return createClient({ ...options, transport: createBrowserTransport(options) });
}
