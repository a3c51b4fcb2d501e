import { connect, type Socket } from 'node:net';
import { Reader, Writer } from '../../codec/index.ts';
import { isRelayError, RelayError } from '../../errors/index.ts';
import { frame, FrameReader } from './frames.ts';
import { decodeFacts, decodeHello, encodeHello, protocolVersion, type AgentFacts } from './hello.ts';
import { decodeFailure, operations, type Operation } from './protocol.ts';

interface Call {
  readonly resolve: (answer: Uint8Array) => void;
  readonly reject: (error: RelayError) => void;
}

/** One connection to an agent: many calls under way, answers in any order. */
export class AgentLine {
  readonly facts: AgentFacts;
  readonly #socket: Socket;
  readonly #calls = new Map<number, Call>();
  #next = 0;
  #requests: Uint8Array[] = [];
  #isFlushing = false;
  #failure: RelayError | undefined;

  private constructor(path: string, socket: Socket, facts: AgentFacts, frames: FrameReader) {
    this.#socket = socket;
    this.facts = facts;
    socket.on('data', (chunk: Buffer) => {
      try {
        for (const each of frames.read(chunk)) this.#receive(each);
      } catch (error) {
        this.end(isRelayError(error) ? error : gone(path, String(error)));
      }
    });
    socket.on('error', (error) => {
      this.end(gone(path, error.message));
    });
    socket.on('close', () => {
      this.end(gone(path, 'it hung up'));
    });
  }

  static open(path: string, timeoutMs: number): Promise<AgentLine> {
    return new Promise((resolve, reject) => {
      const socket = connect(path);
      const frames = new FrameReader();
      const fail = (error: RelayError): void => {
        clearTimeout(timer);
        socket.destroy();
        reject(error);
      };
      const timer = setTimeout(() => {
        fail(gone(path, `no answer within ${timeoutMs} ms`));
      }, timeoutMs);
      const onError = (error: Error): void => {
        fail(gone(path, error.message));
      };
      const onClose = (): void => {
        fail(gone(path, 'it hung up'));
      };
      socket.once('connect', () => socket.write(frame(encodeHello())));
      socket.on('error', onError).on('close', onClose);
      const onData = (chunk: Buffer): void => {
        try {
          for (const each of frames.read(chunk)) {
            const { version, rest } = decodeHello(each);
            if (version !== protocolVersion)
              throw new RelayError('agent-version', { details: { actual: version, expected: protocolVersion } });
            clearTimeout(timer);
            socket.off('data', onData).off('error', onError).off('close', onClose);
            resolve(new AgentLine(path, socket, decodeFacts(rest), frames));
            return;
          }
        } catch (error) {
          fail(isRelayError(error) ? error : gone(path, String(error)));
        }
      };
      socket.on('data', onData);
    });
  }

  get isOpen(): boolean {
    return this.#failure === undefined;
  }

  call(operation: Operation, content: Uint8Array): Promise<Uint8Array> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    const id = this.#next++ >>> 0;
    const head = new Writer().u32(id).u8(operations.indexOf(operation)).finish();
    return new Promise((resolve, reject) => {
      this.#requests.push(frame(head, content));
      this.#calls.set(id, { resolve, reject });
      this.#flush();
    });
  }

  end(failure: RelayError): void {
    if (this.#failure !== undefined) return;
    this.#failure = failure;
    this.#socket.destroy();
    for (const { reject } of this.#calls.values()) reject(failure);
    this.#calls.clear();
  }

  #flush(): void {
    if (this.#isFlushing) return;
    this.#isFlushing = true;
    // One write for all requests of a turn.
    setImmediate(() => {
      this.#isFlushing = false;
      if (this.#failure === undefined) this.#socket.write(Buffer.concat(this.#requests));
      this.#requests = [];
    });
  }

  #receive(answer: Uint8Array): void {
    const reader = new Reader(answer, 'The answer of the agent');
    const id = reader.u32();
    const status = reader.u8();
    const call = this.#calls.get(id);
    if (call === undefined || status > 1)
      throw new RelayError('agent-protocol', { details: { reason: 'an answer that nobody waits for' } });
    this.#calls.delete(id);
    if (status === 0) call.resolve(reader.rest());
    else call.reject(decodeFailure(reader.rest()));
  }
}

export function gone(path: string, reason: string): RelayError {
  return new RelayError('agent-gone', { details: { path, reason } });
}
