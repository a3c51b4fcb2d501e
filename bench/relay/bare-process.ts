// What the relay is held against, in a process of its own: `ws` and LMDB without anything between them.
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { open } from 'lmdb';
import { WebSocketServer, type WebSocket } from 'ws';
import { answer } from './child.ts';
import { cpuMs, residentBytes } from './process-cost.ts';
import { entity, signedMessage } from './traffic.ts';

type Task = (socket: WebSocket) => void;

let close = (): Promise<void> => Promise.resolve();

async function listen(task: Task): Promise<string> {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: false });
  server.on('connection', task);
  await once(server, 'listening');
  return `ws://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function openMail(path: string) {
  const env = open<Buffer, number>({ path, encoding: 'binary', overlappingSync: false });
  close = () => env.close();
  return env;
}

answer({
  /** Takes connections and does nothing. */
  idle: () => listen(() => undefined),
  /** Sends all that it keeps to whoever connects. */
  deliver: async ({ folder, messages }: { folder: string; messages: number }): Promise<string> => {
    const mail = openMail(folder);
    const [from, to] = [entity('sender', 0), entity('recipient', 0)];
    let written: Promise<unknown> = Promise.resolve();
    for (let cursor = 1; cursor <= messages; cursor++)
      written = mail.put(cursor, Buffer.from(signedMessage(from, to, BigInt(cursor))));
    await written;
    return listen((socket) => {
      // As much at a time as a relay: memory is no measure here, but neither is a buffer that grows without end.
      const send = (from: number): void => {
        let last = from;
        for (const { key, value } of mail.getRange({ start: from, limit: 64 })) {
          socket.send(value);
          last = key + 1;
        }
        if (last > from) setImmediate(send, last);
      };
      send(1);
    });
  },
  /** Writes each message, and sends it back when it is on disk. */
  echo: ({ folder }: { folder: string }): Promise<string> => {
    const mail = openMail(folder);
    let cursor = 0;
    return listen((socket) => {
      socket.on('message', (data: Buffer) => {
        void mail.put(++cursor, data).then(() => {
          socket.send(data);
        });
      });
    });
  },
  cpu: cpuMs,
  memory: residentBytes,
  stop: () => close(),
});
