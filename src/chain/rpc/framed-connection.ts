import type { Socket, TcpSocketConnectOpts } from 'node:net';
import { FrameCutter } from './frame-cutter.ts';

/** What is read at once, at most. */
const readBytes = 64 * 1024;

/** How `ws` is to connect without TLS. */
export interface FramedConnection {
  readonly createConnection: (options: TcpSocketConnectOpts) => Socket;
  /** To be called where `ws` says so. */
  readonly upgraded: () => void;
}

/**
 * A connection that gives each frame in one piece. What is read goes through one buffer: by itself Node takes new memory
 * for each read, and `ws` again for each frame that came in several.
 */
export function framedConnection(): FramedConnection {
  const { connect } = process.getBuiltinModule('node:net');
  let cutter: FrameCutter | undefined;
  return {
    createConnection: (options) => {
      const callback = (count: number, read: Uint8Array): boolean => cutter?.take(read.subarray(0, count)) === true;
      const onread = { buffer: new Uint8Array(readBytes), callback };
      // A path would be that of a local socket; here it is the request's.
      const socket: Socket = connect({ ...options, path: undefined, onread } as TcpSocketConnectOpts);
      cutter = new FrameCutter((piece) => socket.push(piece));
      // A connection that ended may be held for long; what it had begun is of no use.
      socket.once('close', () => (cutter = undefined));
      return socket;
    },
    upgraded: () => cutter?.upgraded(),
  };
}
