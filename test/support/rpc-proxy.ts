import { WebSocket, WebSocketServer } from 'ws';

/** Instead of an answer: the node refuses. */
export class Refusal {
  readonly message: string;

  constructor(message: string) {
    this.message = message;
  }
}

/** What a proxy does with an answer: gives it on, altered or not, or a Refusal. */
export type Alter = (method: string, params: readonly unknown[], result: unknown) => unknown;

/** Stands between a client and a node and may lie. */
export interface RpcProxy extends AsyncDisposable {
  readonly ws: string;
  /** How often each method was asked. */
  readonly asked: ReadonlyMap<string, number>;
  alter: Alter;
}

interface Message {
  readonly id?: number;
  readonly method?: string;
  readonly params?: unknown;
  readonly result?: unknown;
}

export async function startRpcProxy(
  target: string,
  alter: Alter = (_method, _params, result) => result,
): Promise<RpcProxy> {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
  const asked = new Map<string, number>();
  const sockets = new Set<WebSocket>();
  const proxy = { alter };
  server.on('connection', (client) => {
    const node = new WebSocket(target);
    const requests = new Map<number, { method: string; params: readonly unknown[] }>();
    const waiting: string[] = [];
    const pair = [client, node];
    for (const socket of pair) {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        pair.forEach((each) => {
          each.close();
          sockets.delete(each);
        });
      });
    }
    client.on('message', (data: Buffer) => {
      const text = data.toString();
      const { id, method = '', params = [] } = JSON.parse(text) as Message;
      asked.set(method, (asked.get(method) ?? 0) + 1);
      if (id !== undefined) requests.set(id, { method, params: params as readonly unknown[] });
      if (node.readyState === WebSocket.OPEN) node.send(text);
      else waiting.push(text);
    });
    node.on('open', () => waiting.splice(0).forEach((text) => node.send(text)));
    node.on('message', (data: Buffer) => {
      const message = JSON.parse(data.toString()) as Message;
      const request = message.id === undefined ? undefined : requests.get(message.id);
      if (request === undefined || !('result' in message)) client.send(data.toString());
      else {
        requests.delete(message.id ?? 0);
        const result = proxy.alter(request.method, request.params, message.result);
        const answer = result instanceof Refusal ? { error: { code: -32601, message: result.message } } : { result };
        client.send(JSON.stringify({ jsonrpc: '2.0', id: message.id, ...answer }));
      }
    });
  });
  await new Promise((resolve) => server.once('listening', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('a WebSocket server has a port');
  return Object.assign(proxy, {
    ws: `ws://127.0.0.1:${address.port}`,
    asked,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.terminate();
      await new Promise((resolve) => server.close(resolve));
    },
  });
}
