import { createBrowserTransport, type BrowserTransportOptions } from './browser-transport.ts';
import { createClient, type RelayClient, type RelayClientOptions } from './client.ts';

export type BrowserRelayClientOptions = Omit<RelayClientOptions, 'transport'> & BrowserTransportOptions;

/** A client with the browser's fetch and WebSocket. Throws bad-value. */
export function createRelayClient(options: BrowserRelayClientOptions): RelayClient {
  return createClient({ ...options, transport: createBrowserTransport(options) });
}
