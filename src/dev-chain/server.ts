import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import type { WebSocket, WebSocketServer } from 'ws';
import { asRelayError, RelayError } from '../errors/index.ts';
import type { DevNode } from './node.ts';
import { rpcCatalogue, type RpcCatalogue } from './rpc/catalogue.ts';
import { Session } from './rpc/session.ts';

export interface ServerOptions {
  readonly host: string;
  /** 0 takes any free one. */
  readonly port: number;
}

/** Largest request, as of a real node. */
const maxRequestBytes = 15 * 1024 * 1024;
/** A client that reads so little that this much piles up is cut off. */
const maxUnsentBytes = 256 * 1024 * 1024;

/** JSON-RPC over WebSocket, and over HTTP for those who only ask. */
export class DevServer {
  readonly #node: DevNode;
  readonly #rpc: RpcCatalogue = rpcCatalogue();
  readonly #http: Server;
  readonly #sockets: WebSocketServer;
  readonly #connections = new Set<Socket>();
  /** Unsent texts by paused socket, while paused. */
  #held: Map<WebSocket, string[]> | undefined;

  private constructor(node: DevNode, http: Server, sockets: WebSocketServer) {
    this.#node = node;
    this.#http = http;
    this.#sockets = sockets;
  }

  /** Throws dev-port-taken or dev-listen-failed. */
  static async start(node: DevNode, options: ServerOptions): Promise<DevServer> {
    const { WebSocketServer } = await import('ws');
    const http = createServer();
    await listen(http, options);
    const sockets = new WebSocketServer({ server: http, maxPayload: maxRequestBytes });
    const server = new DevServer(node, http, sockets);
    http.on('connection', (socket) => server.#connected(socket));
    http.on('request', (request, response) => {
      server.#requested(request, response).catch(() => response.destroy());
    });
    sockets.on('connection', (socket) => server.#opened(socket));
    return server;
  }

  get port(): number {
    return (this.#http.address() as AddressInfo).port;
  }

  /** Ends all connections without a word, as a broken network does. */
  cutSockets(): void {
    for (const socket of this.#connections) socket.destroy();
  }

  /** From now on nothing is read or sent, though connections stay: a network that swallows everything. */
  pauseSockets(): void {
    this.#held ??= new Map();
    for (const socket of this.#sockets.clients) socket.pause();
  }

  resumeSockets(): void {
    const held = this.#held;
    this.#held = undefined;
    for (const [socket, texts] of held ?? []) for (const text of texts) this.#send(socket, text);
    for (const socket of this.#sockets.clients) socket.resume();
  }

  async stop(): Promise<void> {
    this.#held = undefined;
    for (const socket of this.#sockets.clients) socket.terminate();
    this.#sockets.close();
    this.cutSockets();
    await new Promise<void>((resolve) => {
      this.#http.close(() => resolve());
    });
  }

  #connected(socket: Socket): void {
    this.#connections.add(socket);
    socket.on('close', () => this.#connections.delete(socket));
    // A connection that breaks off is the client's affair.
    socket.on('error', () => socket.destroy());
  }

  #opened(socket: WebSocket): void {
    const session = new Session(this.#node, this.#rpc, (text) => this.#send(socket, text));
    if (this.#held !== undefined) socket.pause();
    socket.on('error', () => socket.terminate());
    socket.on('close', () => session.close());
    socket.on('message', (data: Buffer) => {
      void session.receive(data.toString()).then(({ response, sent }) => {
        if (response !== undefined) this.#send(socket, response);
        sent();
      });
    });
  }

  #send(socket: WebSocket, text: string): void {
    if (this.#held !== undefined) {
      this.#held.set(socket, [...(this.#held.get(socket) ?? []), text]);
      return;
    }
    if (socket.bufferedAmount > maxUnsentBytes) socket.terminate();
    else if (socket.readyState === socket.OPEN) socket.send(text);
  }

  async #requested(request: IncomingMessage, response: ServerResponse): Promise<void> {
    // Browsers may ask too: nothing here is secret and it listens on loopback unless told otherwise.
    response.setHeader('access-control-allow-origin', '*');
    response.setHeader('access-control-allow-headers', 'content-type');
    if (request.method !== 'POST') {
      response.writeHead(request.method === 'OPTIONS' ? 204 : 405).end();
      return;
    }
    if (Number(request.headers['content-length'] ?? Infinity) > maxRequestBytes) {
      response.writeHead(413).end();
      return;
    }
    const { response: answered } = await new Session(this.#node, this.#rpc).receive(await text(request));
    response.setHeader('content-type', 'application/json').end(answered ?? '');
  }
}

function listen(http: Server, { host, port }: ServerOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    http.once('error', (error: NodeJS.ErrnoException) => {
      reject(
        error.code === 'EADDRINUSE'
          ? new RelayError('dev-port-taken', { details: { host, port } })
          : asRelayError(error, 'dev-listen-failed', { host, port }),
      );
    });
    http.listen(port, host, () => {
      http.removeAllListeners('error');
      resolve();
    });
  });
}
