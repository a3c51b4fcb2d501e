import { WebSocket } from 'ws';

/** JSON-RPC and nothing else. */
export interface RawClient {
  readonly call: (method: string, params: readonly unknown[]) => Promise<unknown>;
  onNotification: (result: unknown) => void;
  readonly close: () => void;
}

interface Message {
  readonly id?: number;
  readonly result?: unknown;
  readonly params?: { readonly result: unknown };
}

export async function connectRaw(url: string): Promise<RawClient> {
  const socket = new WebSocket(url, { maxPayload: 2 ** 28, perMessageDeflate: false });
  await new Promise((resolve) => socket.once('open', resolve));
  const waiting = new Map<number, (result: unknown) => void>();
  let next = 1;
  const client: RawClient = {
    call: (method, params) =>
      new Promise((resolve) => {
        const id = next++;
        waiting.set(id, resolve);
        socket.send(JSON.stringify({ jsonrpc: '2.0', id, method, params }));
      }),
    onNotification: () => undefined,
    close: () => socket.close(),
  };
  socket.on('message', (data: Buffer) => {
    const { id, result, params } = JSON.parse(data.toString()) as Message;
    if (id === undefined) {
      client.onNotification(params?.result);
      return;
    }
    waiting.get(id)?.(result);
    waiting.delete(id);
  });
  return client;
}
