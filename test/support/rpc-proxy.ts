import { WebSocket, WebSocketServer } from 'ws';

/** Instead of an answer: the node refuses. */
export class Refusal {
  readonly message: string;
  readonly code: number;
  readonly data: string | undefined;

  constructor(message: string, code = -32601, data?: string) {
    this.message = message;
    this.code = code;
    this.data = data;
  }
}

/** Instead of an answer of the node. */
export class Reply {
  readonly result: unknown;

  constructor(result: unknown) {
    this.result = result;
  }
}

/**
 * What a proxy does with an answer: gives it on, altered or not, or a Refusal. Of a notification too, by its own method
 * (`chain_finalizedHead`) and without parameters.
 */
export type Alter = (method: string, params: readonly unknown[], result: unknown) => unknown;

/** What becomes of a message on its way from the node to the client. */
export type Fault =
  /** The connection breaks. */
  | { readonly kind: 'cut' }
  | { readonly kind: 'delay'; readonly ms: number }
  /** It comes after the next one. */
  | { readonly kind: 'reorder' }
  /** Half of the frame, as if it were the whole. */
  | { readonly kind: 'truncate' }
  /** Of a subscription: it and all that come after it are gone. Of an answer: it never comes. */
  | { readonly kind: 'swallow' }
  | { readonly kind: 'error'; readonly code: number; readonly message: string }
  /** Another frame in its place. */
  | { readonly kind: 'replace'; readonly text: string };

export interface Passing {
  readonly method: string;
  readonly isNotification: boolean;
}

/** Stands between a client and a node and may lie, or fail in any way that a network and a node can. */
export interface RpcProxy extends AsyncDisposable {
  readonly ws: string;
  /** How often each method was asked. */
  readonly asked: ReadonlyMap<string, number>;
  /** How often each kind of fault was made. */
  readonly made: ReadonlyMap<Fault['kind'], number>;
  /** What the node refused, in its order. */
  readonly refused: readonly NodeRefusal[];
  /** How often a fault was an error of this code. */
  readonly errors: ReadonlyMap<number, number>;
  alter: Alter;
  /** Called with each request before the node gets it; one for which it gives a promise waits for that. */
  hold: (method: string, params: readonly unknown[]) => Promise<unknown> | undefined;
  /** Answers a request in the place of the node, which never gets it, in a batch too. undefined for one that passes. */
  refuse: (method: string, params: readonly unknown[]) => Refusal | Reply | undefined;
  /** undefined for a message that passes. */
  fault: (message: Passing) => Fault | undefined;
  /** Whether the client's socket is to break of an answer, as of one beyond its limit (WebSocket close code 1009). */
  tooBig: (answer: { readonly method: string; readonly text: string }) => boolean;
  /** Refuses connections while true. */
  isClosed: boolean;
  /** Where new connections go. */
  target: string;
  /** Breaks all connections. */
  cut(): void;
}

/** What the node itself refused, of all that passed. */
export interface NodeRefusal {
  readonly method: string;
  readonly code: number;
}

/** RFC 6455, section 7.4.1. */
const tooBigCode = 1009;

interface Message {
  readonly id?: number;
  readonly method?: string;
  readonly params?: unknown;
  readonly result?: unknown;
  readonly error?: unknown;
}

interface Settings {
  readonly refused: NodeRefusal[];
  readonly alter: Alter;
  readonly fault: RpcProxy['fault'];
  readonly tooBig: RpcProxy['tooBig'];
  readonly hold: RpcProxy['hold'];
  readonly refuse: RpcProxy['refuse'];
  readonly count: (fault: Fault) => void;
  readonly asked: Map<string, number>;
}

export async function startRpcProxy(
  target: string,
  alter: Alter = (_method, _params, result) => result,
): Promise<RpcProxy> {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
  const sockets = new Set<WebSocket>();
  const asked = new Map<string, number>();
  const made = new Map<Fault['kind'], number>();
  const refused: NodeRefusal[] = [];
  const errors = new Map<number, number>();
  await new Promise((resolve) => server.once('listening', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('a WebSocket server has a port');
  const cut = (): void => sockets.forEach((socket) => socket.terminate());
  const proxy: RpcProxy = {
    ws: `ws://127.0.0.1:${address.port}`,
    asked,
    made,
    refused,
    errors,
    alter,
    hold: () => undefined,
    refuse: () => undefined,
    fault: () => undefined,
    tooBig: () => false,
    isClosed: false,
    target,
    cut,
    async [Symbol.asyncDispose]() {
      cut();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  const settings: Settings = {
    alter: (...answer) => proxy.alter(...answer),
    hold: (...request) => proxy.hold(...request),
    refuse: (...request) => proxy.refuse(...request),
    fault: (message) => proxy.fault(message),
    tooBig: (answer) => proxy.tooBig(answer),
    count: (fault) => {
      made.set(fault.kind, (made.get(fault.kind) ?? 0) + 1);
      if (fault.kind === 'error') errors.set(fault.code, (errors.get(fault.code) ?? 0) + 1);
    },
    asked,
    refused,
  };
  server.on('connection', (client) => {
    if (proxy.isClosed) {
      client.terminate();
      return;
    }
    const node = new WebSocket(proxy.target);
    const pair = [client, node];
    for (const socket of pair) {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        pair.forEach((each) => each.terminate());
        sockets.delete(socket);
      });
    }
    connectPair(client, node, settings);
  });
  return proxy;
}

function connectPair(
  client: WebSocket,
  node: WebSocket,
  { alter, hold, refuse: refusalOf, fault, tooBig, count, asked, refused }: Settings,
): void {
  const requests = new Map<number, { method: string; params: readonly unknown[] }>();
  const swallowed = new Set<string>();
  /** What else belongs to the answer of a batch, by the first request of it that passed. */
  const answeredWith = new Map<number, readonly Message[]>();
  const waiting: string[] = [];
  const held: string[] = [];

  client.on('message', (data: Buffer) => {
    const frame = JSON.parse(data.toString()) as Message | Message[];
    const holds: Promise<unknown>[] = [];
    const answered: Message[] = [];
    const passed: Message[] = [];
    for (const ask of [frame].flat()) {
      const { id, method = '', params = [] } = ask;
      asked.set(method, (asked.get(method) ?? 0) + 1);
      const instead = refusalOf(method, params as readonly unknown[]);
      if (instead !== undefined) {
        answered.push(instead instanceof Reply ? { ...reply(ask), result: instead.result } : refuse(ask, instead));
        continue;
      }
      passed.push(ask);
      if (id !== undefined) requests.set(id, { method, params: params as readonly unknown[] });
      const holding = hold(method, params as readonly unknown[]);
      if (holding !== undefined) holds.push(holding);
    }
    const isBatch = Array.isArray(frame);
    const [first] = passed;
    if (first === undefined) {
      client.send(JSON.stringify(isBatch ? answered : answered[0]));
      return;
    }
    // A node answers a batch as a whole.
    if (answered.length > 0) answeredWith.set(first.id ?? 0, answered);
    const text = JSON.stringify(isBatch ? passed : first);
    const pass = (): void => {
      if (node.readyState === WebSocket.OPEN) node.send(text);
      else if (node.readyState === WebSocket.CONNECTING) waiting.push(text);
    };
    if (holds.length === 0) pass();
    else void Promise.all(holds).then(pass);
  });
  node.on('open', () => waiting.splice(0).forEach((text) => node.send(text)));

  const send = (text: string): void => {
    if (client.readyState !== WebSocket.OPEN) return;
    client.send(text);
    held.splice(0).forEach((late) => client.send(late));
  };
  const tell = (text: string, about: Passing, subscription: string, refused: Refused): void => {
    if (swallowed.has(subscription)) return;
    const made = fault(about);
    if (made === undefined) {
      send(text);
      return;
    }
    if (made.kind === 'error' && refused === undefined) {
      send(text);
      return;
    }
    count(made);
    if (made.kind === 'cut') client.terminate();
    else if (made.kind === 'delay') setTimeout(() => send(text), made.ms);
    else if (made.kind === 'reorder') held.push(text);
    else if (made.kind === 'truncate') send(text.slice(0, text.length >> 1));
    else if (made.kind === 'error') send(refused?.(made) ?? text);
    else if (made.kind === 'replace') send(made.text);
    else if (about.isNotification) swallowed.add(subscription);
  };
  const altered = (message: Message): Message => {
    const request = requests.get(message.id ?? 0);
    requests.delete(message.id ?? 0);
    const error = message.error as { readonly code?: number } | undefined;
    if (request !== undefined && error?.code !== undefined) refused.push({ method: request.method, code: error.code });
    if (request === undefined || !('result' in message)) return message;
    const result = alter(request.method, request.params, message.result);
    return result instanceof Refusal ? refuse(message, result) : { ...message, result };
  };
  node.on('message', (data: Buffer) => {
    const text = data.toString();
    const frame = JSON.parse(text) as Message | Message[];
    const [first] = [frame].flat();
    const request = first?.id === undefined ? undefined : requests.get(first.id);
    if (request === undefined) {
      const { subscription, result } = (first?.params ?? {}) as { subscription?: unknown; result?: unknown };
      const method = first?.method ?? '';
      const params = { subscription, result: alter(method, [], result) };
      const said = JSON.stringify({ jsonrpc: '2.0', method, params });
      tell(said, { method, isNotification: true }, String(subscription), undefined);
      return;
    }
    const about = { method: request.method, isNotification: false };
    const answer = Array.isArray(frame)
      ? [...frame.map(altered), ...frame.flatMap(({ id }) => takeOut(answeredWith, id ?? 0) ?? [])]
      : altered(frame);
    const said = JSON.stringify(answer);
    if (tooBig({ method: request.method, text: said })) {
      client.close(tooBigCode);
      return;
    }
    tell(said, about, '', (error) =>
      JSON.stringify(Array.isArray(answer) ? answer.map((each) => refuse(each, error)) : refuse(answer, error)),
    );
  });
}

interface RpcFailure {
  readonly code: number;
  readonly message: string;
  readonly data?: string | undefined;
}

/** The frame as it is when the node refuses all in it; undefined for notifications. */
type Refused = ((error: RpcFailure) => string) | undefined;

function refuse(to: Message, { code, message, data }: RpcFailure): Message & { jsonrpc: '2.0' } {
  return { ...reply(to), error: { code, message, data } };
}

function reply({ id }: Message): Message & { jsonrpc: '2.0' } {
  return { jsonrpc: '2.0', ...(id === undefined ? {} : { id }) };
}

function takeOut<K, V>(map: Map<K, V>, key: K): V | undefined {
  const value = map.get(key);
  map.delete(key);
  return value;
}
