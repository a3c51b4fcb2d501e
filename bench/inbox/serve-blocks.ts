import { once } from 'node:events';
import { WebSocket, WebSocketServer } from 'ws';
import { storagePrefix } from '../../src/chain/storage/storage-key.ts';
import type { MadeBlock } from './made-blocks.ts';

interface Request {
  readonly id: number;
  readonly method: string;
  readonly params?: readonly unknown[];
}

const unsafe = '"error":{"code":-32601,"message":"RPC call is unsafe to be called externally"}';
const outboundKey = storagePrefix('PhalaMq', 'OutboundMessages');

/**
 * A node that has made-up blocks above another node's genesis block, all answers ready as text, so that the client is
 * measured and not the node. What else it is asked it asks the other one, once. `replay_show` says how many blocks it has.
 * `hidesUnsafe`: it has none of the RPCs that only trusted clients get, as nodes in the open.
 */
export async function serveBlocks(
  upstream: string,
  blocks: readonly MadeBlock[],
  { hidesUnsafe }: { readonly hidesUnsafe: boolean },
): Promise<string> {
  const ask = await connect(upstream);
  const genesis = await ask('chain_getBlockHash', [0]);
  const upstreamHead = JSON.parse(await ask('chain_getFinalizedHead', [])) as string;
  const hashes = [JSON.parse(genesis) as string, ...blocks.map(({ hash }) => hash)];
  const headers = new Map<string, string>(blocks.map(({ hash, header }) => [hash, headerText(header)]));
  const values = new Map<string, string>(blocks.map(({ hash, value }) => [hash, JSON.stringify(value ?? null)]));
  const ranges = new Map<string, string>();
  const known = new Map<string, Promise<string>>();
  /** As sc-rpc does it: the value at the first block, then at each where it is another than at the block before. */
  const changesBetween = (first: number, last: number): string => {
    const sets: string[] = [];
    let before: string | undefined;
    for (let number = first; number <= last; number++) {
      const value = values.get(hashes[number] ?? '') ?? 'null';
      if (value !== before) sets.push(`{"block":"${hashes[number]}","changes":[["${outboundKey}",${value}]]}`);
      before = value;
    }
    return `[${sets.join(',')}]`;
  };
  let shown = blocks.length;

  const result = (socket: WebSocket, { id, method, params = [] }: Request): string | Promise<string> => {
    switch (method) {
      case 'state_getStorage': {
        const value = params[0] === outboundKey ? values.get(String(params[1])) : undefined;
        if (value !== undefined) return value;
        break;
      }
      case 'state_queryStorage': {
        if (hidesUnsafe) return unsafe;
        const [keys, from, to] = params as readonly [readonly string[], string, string];
        if (keys.length !== 1 || keys[0] !== outboundKey) break;
        const name = `${from} ${to}`;
        const text = ranges.get(name) ?? changesBetween(hashes.indexOf(from), hashes.indexOf(to));
        ranges.set(name, text);
        return text;
      }
      case 'chain_getBlockHash': {
        const one = (number: unknown): string | null =>
          Number(number) > shown ? null : (hashes[Number(number)] ?? null);
        const [asked] = params;
        return JSON.stringify(Array.isArray(asked) ? asked.map(one) : one(asked ?? shown));
      }
      case 'chain_getFinalizedHead':
        return `"${hashes[shown]}"`;
      case 'chain_getHeader': {
        const header = headers.get((params[0] as string | undefined) ?? hashes[shown] ?? '');
        if (header !== undefined) return header;
        break;
      }
      case 'chain_subscribeFinalizedHeads':
      case 'chain_subscribeNewHeads':
        setImmediate(() => {
          const name = method === 'chain_subscribeNewHeads' ? 'chain_newHead' : 'chain_finalizedHead';
          const head = headers.get(hashes[shown] ?? '');
          socket.send(`{"jsonrpc":"2.0","method":"${name}","params":{"subscription":"${id}","result":${head}}}`);
        });
        return `"${id}"`;
      case 'replay_show':
        shown = Number(params[0]);
        return 'null';
    }
    // The state of any block is, but for the messages, that of the other node's head.
    const there = params.map((param) => (headers.has(String(param)) ? upstreamHead : param));
    const name = JSON.stringify([method, there]);
    const answer = known.get(name) ?? ask(method, there);
    known.set(name, answer);
    return answer;
  };
  const text = (id: number, answer: string): string =>
    `{"jsonrpc":"2.0","id":${id},${answer === unsafe ? unsafe : `"result":${answer}`}}`;

  const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: false, maxPayload: 2 ** 26 });
  server.on('connection', (socket) => {
    socket.on('message', (data: Buffer) => {
      const asked = JSON.parse(data.toString()) as Request | Request[];
      const answers = [asked].flat().map((request) => ({ id: request.id, answer: result(socket, request) }));
      const send = (ready: readonly { id: number; answer: string }[]): void => {
        const texts = ready.map(({ id, answer }) => text(id, answer));
        socket.send(Array.isArray(asked) ? `[${texts.join(',')}]` : (texts[0] ?? ''));
      };
      if (answers.every((each): each is { id: number; answer: string } => typeof each.answer === 'string'))
        send(answers);
      else void Promise.all(answers.map(async ({ id, answer }) => ({ id, answer: await answer }))).then(send);
    });
  });
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('a WebSocket server has a port');
  return `ws://127.0.0.1:${address.port}`;
}

function headerText({ number, parentHash, stateRoot, extrinsicsRoot, digest }: MadeBlock['header']): string {
  const logs = { logs: digest };
  return JSON.stringify({ number: `0x${number.toString(16)}`, parentHash, stateRoot, extrinsicsRoot, digest: logs });
}

/** Gives results as JSON. */
async function connect(url: string): Promise<(method: string, params: readonly unknown[]) => Promise<string>> {
  const socket = new WebSocket(url, { maxPayload: 2 ** 28 });
  await once(socket, 'open');
  const waiting = new Map<number, (result: string) => void>();
  socket.on('message', (data: Buffer) => {
    const { id, result } = JSON.parse(data.toString()) as { id?: number; result?: unknown };
    if (id === undefined) return;
    waiting.get(id)?.(JSON.stringify(result ?? null));
    waiting.delete(id);
  });
  let next = 1;
  return (method, params) =>
    new Promise((resolve) => {
      const id = next++;
      waiting.set(id, resolve);
      socket.send(JSON.stringify({ jsonrpc: '2.0', id, method, params }));
    });
}
