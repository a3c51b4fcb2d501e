import { createClient, type RelayClient, type RelayClientOptions } from './client.ts';
import { createNodeTransport, type NodeTransportOptions } from './node-transport.ts';

export type NodeRelayClientOptions = Omit<RelayClientOptions, 'transport'> &
  NodeTransportOptions & { readonly transport?: RelayClientOptions['transport'] };

/** A client with Node's sockets: names are resolved once and pinned, private addresses refused unless `allowPrivate`. Throws bad-value. */
export function createRelayClient(options: NodeRelayClientOptions): RelayClient {
  return createClient({ ...options, transport: options.transport ?? createNodeTransport(options) });
}
