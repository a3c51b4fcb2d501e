import { once } from 'node:events';
import { WebSocket, WebSocketServer } from 'ws';

interface Request {
  readonly id: number;
  readonly method: string;
  readonly params?: readonly unknown[];
}

const subscribers = ['chain_subscribeFinalizedHeads', 'chain_subscribeNewHeads', 'chain_subscribeNewHead'];

/**
 * Answers what it was asked before from memory, byte by byte; passes the rest on to the node behind it. Its newest block is
 * the one that `replay_show` names by number, whatever the node has.
 */
export async function serveReplay(node: string, shownFirst: number): Promise<string> {
  const upstream = await connect(node);
  const answers = new Map<string, Promise<string>>();
  const ask = (method: string, params: readonly unknown[]): Promise<string> => {
    const key = JSON.stringify([method, params]);
    let answer = answers.get(key);
    if (answer === undefined) answers.set(key, (answer = upstream(key)));
    return answer;
  };
  const hashAt = async (number: number): Promise<string> =>
    JSON.parse(await ask('chain_getBlockHash', [number])) as string;

  let shown = shownFirst;
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: false, maxPayload: 2 ** 26 });
  const heads = new Map<WebSocket, { id: string; method: string }[]>();
  const tell = async (socket: WebSocket, { id, method }: { id: string; method: string }): Promise<void> => {
    const header = await ask('chain_getHeader', [await hashAt(shown)]);
    const name = method === 'chain_subscribeFinalizedHeads' ? 'chain_finalizedHead' : 'chain_newHead';
    socket.send(`{"jsonrpc":"2.0","method":"${name}","params":{"subscription":"${id}","result":${header}}}`);
  };
  const respond = async (socket: WebSocket, { id, method, params = [] }: Request): Promise<void> => {
    const send = (result: string): void => socket.send(`{"jsonrpc":"2.0","id":${id},"result":${result}}`);
    if (method === 'replay_show') {
      shown = Number(params[0]);
      send('null');
      for (const [listener, list] of heads) for (const each of list) await tell(listener, each);
      return;
    }
    if (subscribers.includes(method)) {
      const subscription = { id: `${method}-${id}`, method };
      heads.set(socket, [...(heads.get(socket) ?? []), subscription]);
      send(`"${subscription.id}"`);
      return tell(socket, subscription);
    }
    if (method.startsWith('chain_unsubscribe')) {
      send('true');
      return;
    }
    if (method === 'chain_getFinalizedHead' || (method === 'chain_getBlockHash' && params.length === 0)) {
      send(JSON.stringify(await hashAt(shown)));
      return;
    }
    if (method === 'chain_getHeader' && params.length === 0) {
      send(await ask(method, [await hashAt(shown)]));
      return;
    }
    if (method === 'chain_getBlockHash' && Number(params[0]) > shown) {
      send('null');
      return;
    }
    // What the node would push later on this subscription stays with the node: nothing changes while it replays.
    send(await ask(method, params));
  };
  server.on('connection', (socket) => {
    socket.on('message', (data: Buffer) => void respond(socket, JSON.parse(data.toString()) as Request));
    socket.on('close', () => heads.delete(socket));
  });
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('a WebSocket server has a port');
  return `ws://127.0.0.1:${address.port}`;
}

/** Sends `[method, params]` as JSON to a node; gives the result as JSON. */
async function connect(url: string): Promise<(call: string) => Promise<string>> {
  const socket = new WebSocket(url, { maxPayload: 2 ** 28 });
  await once(socket, 'open');
  const waiting = new Map<number, (result: string) => void>();
  socket.on('message', (data: Buffer) => {
    const { id, result, error } = JSON.parse(data.toString()) as { id?: number; result?: unknown; error?: unknown };
    if (id === undefined) return;
    if (error !== undefined) throw new Error(`the node behind the replay answers ${JSON.stringify(error)}`);
    waiting.get(id)?.(JSON.stringify(result));
    waiting.delete(id);
  });
  let next = 1;
  return (call) =>
    new Promise((resolve) => {
      const id = next++;
      const [method, params] = JSON.parse(call) as [string, unknown[]];
      waiting.set(id, resolve);
      socket.send(JSON.stringify({ jsonrpc: '2.0', id, method, params }));
    });
}
