import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

export interface TcpBalancer extends AsyncDisposable {
  readonly port: number;
  /** Connections that each backend got, by port. */
  readonly served: ReadonlyMap<number, number>;
  /** Ends all connections; clients come again. */
  cut(): void;
}

/** One address in front of several: each connection goes to the next that answers. */
export async function startTcpBalancer(backends: readonly number[]): Promise<TcpBalancer> {
  const served = new Map<number, number>();
  const open = new Set<Socket>();
  let next = 0;

  const keep = (socket: Socket): void => {
    open.add(socket);
    socket.on('error', () => undefined).once('close', () => open.delete(socket));
  };
  const join = (client: Socket, attempts: number): void => {
    const port = backends[next++ % backends.length] ?? 0;
    const backend = connect(port, '127.0.0.1');
    keep(backend);
    let isJoined = false;
    backend.once('connect', () => {
      isJoined = true;
      served.set(port, (served.get(port) ?? 0) + 1);
      client.pipe(backend).pipe(client);
    });
    backend.once('close', () => {
      if (!isJoined && attempts > 1) join(client, attempts - 1);
      else client.destroy();
    });
    client.once('close', () => backend.destroy());
  };

  const server = createServer((client) => {
    keep(client);
    join(client, backends.length);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const cut = (): void => {
    for (const socket of open) socket.destroy();
  };
  return {
    port: (server.address() as AddressInfo).port,
    served,
    cut,
    async [Symbol.asyncDispose]() {
      cut();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
