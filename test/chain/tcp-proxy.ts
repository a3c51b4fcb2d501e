import { createServer, connect, type Socket } from 'node:net';

/** Stands between a client and a node, so that a test can break one way to the node and leave another. */
export interface TcpProxy extends AsyncDisposable {
  readonly ws: string;
  /** Connections made so far. */
  readonly connections: number;
  /** Breaks all connections. */
  cut(): void;
  /** Keeps the connections there are, but lets nothing through; new ones work. */
  freeze(): void;
  /** Refuses new connections until `open`. */
  close(): void;
  open(): void;
  /** Where new connections go. */
  retarget(target: string): void;
}

export async function startProxy(target: string): Promise<TcpProxy> {
  let { hostname, port } = new URL(target);
  const pairs = new Set<readonly [Socket, Socket]>();
  let connections = 0;
  let isClosed = false;
  const server = createServer((client) => {
    if (isClosed) {
      client.destroy();
      return;
    }
    connections++;
    const node = connect(Number(port), hostname);
    const pair = [client, node] as const;
    pairs.add(pair);
    for (const socket of pair) {
      socket.on('error', () => undefined);
      socket.on('close', () => {
        pair.forEach((each) => each.destroy());
        pairs.delete(pair);
      });
    }
    client.pipe(node).pipe(client);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('a TCP server has a port');
  const cut = (): void => pairs.forEach(([client]) => client.destroy());
  return {
    ws: `ws://127.0.0.1:${address.port}`,
    get connections() {
      return connections;
    },
    cut,
    freeze: () =>
      pairs.forEach(([client, node]) => {
        client.unpipe(node);
        node.unpipe(client);
        client.pause();
        node.pause();
      }),
    close: () => (isClosed = true),
    open: () => (isClosed = false),
    retarget: (next) => ({ hostname, port } = new URL(next)),
    [Symbol.asyncDispose]: async () => {
      cut();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
