/** Loaded before a command: at SIGUSR2 its connections to NATS close for good, as the client itself closes one that it gives up. */
import { createRequire } from 'node:module';

const own = createRequire(import.meta.url);
const { NatsConnectionImpl } = createRequire(own.resolve('@nats-io/transport-node'))('@nats-io/nats-core/internal');
const connections = new Set();
const { closed } = NatsConnectionImpl.prototype;
NatsConnectionImpl.prototype.closed = function () {
  connections.add(this);
  return closed.call(this);
};
process.on('SIGUSR2', () => {
  for (const connection of connections) void connection.close();
});
