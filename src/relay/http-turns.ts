import type { RequestListener, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

export interface HttpTurnsParts {
  /** How long an answer may stay unread, ms. */
  readonly slowReaderMs: number;
  /** A connection ends, for a reason of {@link HttpTurnsParts}. */
  readonly ended: (reason: 'pipelined' | 'slow-reader') => void;
}

/** What node:http gives a socket, and does not tell of. */
interface ParsedByNode extends Socket {
  /** Called with each request. */
  readonly parser?: { onIncoming: () => number } | null;
}

// To Node's parser: what follows is of another protocol.
const parseNoMore = 2;

/**
 * One request of a connection at a time. RFC 9112 §9.3.2 lets a client send the next before it has the answer, and a server
 * end the connection after any answer: so a thousand requests in one packet get one answer, and what is unread of a
 * connection is one answer at most.
 */
export function inTurn(handle: RequestListener, { slowReaderMs, ended }: HttpTurnsParts): RequestListener {
  const underWay = new WeakMap<Socket, ServerResponse>();

  return (request, response) => {
    const { socket } = request;
    const before = underWay.get(socket);
    if (before !== undefined) {
      if (before.shouldKeepAlive) ended('pipelined');
      endAfter(before, socket);
      return;
    }
    underWay.set(socket, response);
    let late: ReturnType<typeof setTimeout> | undefined;
    response.once('prefinish', () => {
      late = setTimeout(() => {
        ended('slow-reader');
        socket.destroy();
      }, slowReaderMs);
    });
    response.once('close', () => {
      clearTimeout(late);
      if (underWay.get(socket) === response) underWay.delete(socket);
    });
    handle(request, response);
  };
}

/**
 * Nothing more is read from the connection, which goes when this answer has. Node has no documented way to it: a chunk that it has
 * read it parses to its end, and what it makes of 64 KiB of pipelined requests takes as long as thousands of others' do.
 * `maxRequestsPerSocket` answers each of them, with 503; a socket that is paused, or destroyed, is parsed on just so; and a Duplex in
 * front of it that cuts what it gives to the parser would take the socket's address, TLS and timeouts with it. The tests count what
 * Node makes of such a chunk, by HTTP and by HTTPS: a Node that has another parser fails them.
 */
function endAfter(response: ServerResponse, socket: Socket): void {
  if (!response.shouldKeepAlive) return;
  response.shouldKeepAlive = false;
  socket.pause();
  // Or Node would make requests of all that this chunk still holds.
  const { parser } = socket as ParsedByNode;
  if (parser) parser.onIncoming = () => parseNoMore;
  response.once('finish', () => {
    socket.destroySoon();
  });
}
