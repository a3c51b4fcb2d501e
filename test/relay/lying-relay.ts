import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { WebSocketServer, type WebSocket } from 'ws';
import { genesisHash, type Cleanup } from './support.ts';
import { decodeClientFrame, type ClientFrame } from '../../src/relay/client-frames.ts';
import { encodeRelayFrame, type RelayFrame } from '../../src/relay/relay-frames.ts';

/** One connection of a lying relay. */
export interface Lie {
  readonly socket: WebSocket;
  say(frame: RelayFrame): void;
}

export interface LyingRelay {
  readonly url: string;
  /** Connections so far. */
  readonly count: () => number;
}

/** Says hello as a relay does, and then what `answer` says; `connection`: from 1. */
export async function lyingRelay(
  cleanup: Cleanup,
  answer: (frame: ClientFrame, lie: Lie, connection: number) => void,
): Promise<LyingRelay> {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  cleanup.add(server, () => {
    for (const client of server.clients) client.terminate();
    server.close();
  });
  let connections = 0;
  server.on('connection', (socket) => {
    const connection = ++connections;
    const lie: Lie = {
      socket,
      say: (frame) => {
        socket.send(encodeRelayFrame(frame));
      },
    };
    socket.on('error', () => undefined);
    socket.on('message', (data: Buffer) => {
      answer(decodeClientFrame(data), lie, connection);
    });
    lie.say({ type: 'hello', genesisHash, window: 8, maxMessageBytes: 1_000_000, identity: undefined });
  });
  await once(server, 'listening');
  return { url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}`, count: () => connections };
}
