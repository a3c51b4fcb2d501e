// Recipients in a process of their own: of a relay, or of a bare server that sends without being asked.
import { once } from 'node:events';
import { WebSocket } from 'ws';
import { ready } from '../../src/crypto/index.ts';
import { answer } from './child.ts';
import { MailboxReader } from './mailbox-reader.ts';
import { entity } from './traffic.ts';

const window = 256;
let open: { close(): void }[] = [];

answer({
  /** So many log in and wait, from that recipient on. */
  loginAll: async ({ url, from, count }: { url: string; from: number; count: number }): Promise<void> => {
    await ready();
    for (let i = from; i < from + count; i++) {
      const reader = new MailboxReader({ who: entity('recipient', i), url, window, delivered: () => undefined });
      await reader.login();
      reader.begin();
      open.push(reader);
    }
  },
  /** So many connect to a bare server. */
  connectAll: async ({ url, count }: { url: string; count: number }): Promise<void> => {
    for (let i = 0; i < count; i++) {
      const socket = new WebSocket(url, { perMessageDeflate: false });
      await once(socket, 'open');
      open.push({
        close: () => {
          socket.terminate();
        },
      });
    }
  },
  /** Reads so many messages of one mailbox, until all of them are acknowledged on the relay's disk. */
  readMailbox: async ({ url, messages }: { url: string; messages: number }): Promise<void> => {
    await ready();
    let left = messages;
    let last: bigint | undefined;
    let done = (): void => undefined;
    const all = new Promise<void>((resolve) => (done = resolve));
    const reader = new MailboxReader({
      ...{ who: entity('recipient', 0), url, window },
      delivered: () => {
        left -= 1;
        if (left === 0) last = reader.acknowledgeAll();
      },
      acknowledged: (upTo) => {
        if (upTo === last) done();
      },
    });
    await reader.login();
    reader.begin();
    await all;
    reader.close();
  },
  /** Reads so many messages of a bare server. */
  readBare: async ({ url, messages }: { url: string; messages: number }): Promise<void> => {
    const socket = new WebSocket(url, { perMessageDeflate: false });
    let left = messages;
    await new Promise<void>((resolve) =>
      socket.on('message', () => {
        left -= 1;
        if (left === 0) resolve();
      }),
    );
    socket.terminate();
  },
  close: (): void => {
    for (const each of open) each.close();
    open = [];
  },
});
