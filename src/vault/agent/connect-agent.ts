import { connect, type Socket } from 'node:net';
import { decodeBody, fromHex, Reader, toHex, Writer, type Hex } from '../../codec/index.ts';
import { decodeV1 } from '../../crypto/core.ts';
import { isRelayError, RelayError } from '../../errors/index.ts';
import type { EcdhPublic, Opened, PhalaOpened, PhalaSealRequest, SealRequest, SignContent, Vault } from '../vault.ts';
import { frame, FrameReader } from './frames.ts';
import {
  decodeFacts,
  decodeFailure,
  decodeHello,
  encodeContent,
  encodeHello,
  encodeSealRequest,
  operations,
  protocolVersion,
  readKey,
  type AgentFacts,
  type Operation,
} from './protocol.ts';

export interface ConnectAgentOptions {
  /** Path of the agent's socket. */
  readonly socket: string;
  /** Until the agent must have answered the hello, ms. Default 5000. */
  readonly timeoutMs?: number;
}

const defaultTimeoutMs = 5_000;

/**
 * A vault that an agent holds: nothing secret is in this process. Calls are pipelined. Where the agent goes away its calls
 * throw agent-gone, and the next one looks for it again. Throws agent-gone, agent-version, agent-protocol.
 */
export async function connectAgent({ socket, timeoutMs = defaultTimeoutMs }: ConnectAgentOptions): Promise<Vault> {
  const open = (): Promise<Line> => Line.open(socket, timeoutMs);
  return new AgentVault(socket, open, await open());
}

interface Call {
  readonly resolve: (answer: Uint8Array) => void;
  readonly reject: (error: RelayError) => void;
}

/** One connection to an agent. */
class Line {
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

  static open(path: string, timeoutMs: number): Promise<Line> {
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
            resolve(new Line(path, socket, decodeFacts(rest), frames));
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

class AgentVault implements Vault {
  readonly identity: Hex;
  readonly dataPath: string;
  readonly #socket: string;
  readonly #open: () => Promise<Line>;
  #line: Line;
  #opening: Promise<Line> | undefined;
  #isClosed = false;

  constructor(socket: string, open: () => Promise<Line>, line: Line) {
    this.#socket = socket;
    this.#open = open;
    this.#line = line;
    this.identity = toHex(line.facts.identity);
    this.dataPath = line.facts.dataPath;
  }

  async ecdhKeys(): Promise<readonly EcdhPublic[]> {
    const reader = new Reader(await this.#call('keys', new Uint8Array()), 'The answer of the agent');
    const keys: EcdhPublic[] = [];
    for (let left = reader.compactLength(); left > 0; left--) keys.push(readKey(reader));
    reader.end();
    return keys;
  }

  async sign(content: SignContent): Promise<Uint8Array> {
    return this.#call('sign', encodeContent(content));
  }

  async seal(request: SealRequest): Promise<Uint8Array> {
    return this.#call('seal', encodeSealRequest(request));
  }

  async open({ genesisHash, envelope }: { readonly genesisHash: Hex; readonly envelope: Uint8Array }): Promise<Opened> {
    const { header } = decodeV1(envelope);
    const request = new Writer().raw(fromHex(genesisHash)).raw(envelope).finish();
    return { header, body: decodeBody(await this.#call('open', request)) };
  }

  async sealPhala({ recipientKey, content }: PhalaSealRequest): Promise<Uint8Array> {
    return this.#call('seal-phala', new Writer().raw(recipientKey).raw(content).finish());
  }

  async openPhala(encryptedData: Uint8Array): Promise<PhalaOpened> {
    const reader = new Reader(await this.#call('open-phala', encryptedData), 'The answer of the agent');
    return { senderKey: reader.fixed(32), content: reader.rest() };
  }

  async rotate({ atLeast = 0 }: { readonly atLeast?: number } = {}): Promise<EcdhPublic> {
    const answer = await this.#call('rotate', new Writer().u32(atLeast).finish());
    return readKey(new Reader(answer, 'The answer of the agent'));
  }

  async activate(epoch: number): Promise<void> {
    await this.#call('activate', new Writer().u32(epoch).finish());
  }

  async erase({ retiredBefore }: { readonly retiredBefore: number }): Promise<readonly number[]> {
    // Times before 1970 erase nothing.
    const time = BigInt(Math.max(0, Math.floor(retiredBefore)));
    const reader = new Reader(await this.#call('erase', new Writer().u64(time).finish()), 'The answer of the agent');
    const epochs: number[] = [];
    for (let left = reader.compactLength(); left > 0; left--) epochs.push(reader.u32());
    return epochs;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#line.end(new RelayError('vault-closed'));
    return Promise.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #call(operation: Operation, content: Uint8Array): Promise<Uint8Array> {
    if (this.#isClosed) throw new RelayError('vault-closed');
    if (!this.#line.isOpen) this.#line = await this.#reconnect();
    return this.#line.call(operation, content);
  }

  async #reconnect(): Promise<Line> {
    this.#opening ??= this.#open().finally(() => (this.#opening = undefined));
    const line = await this.#opening;
    if (toHex(line.facts.identity) === this.identity) return line;
    line.end(gone(this.#socket, 'another entity has its place'));
    throw gone(this.#socket, `it holds another entity now, ${toHex(line.facts.identity)}`);
  }
}

function gone(path: string, reason: string): RelayError {
  return new RelayError('agent-gone', { details: { path, reason } });
}
