import { setTimeout as sleep } from 'node:timers/promises';
import { decodeBody, fromHex, Reader, toHex, Writer, type Hex } from '../../codec/index.ts';
import { decodeV1 } from '../../crypto/core.ts';
import { checkValue, isLocalFailure, isRelayError, isVaultUnread, RelayError } from '../../errors/index.ts';
import { maxTimerMs } from '../../signals/index.ts';
import type {
  EcdhPublic,
  FreshKey,
  KeepRequest,
  KeptSealRequest,
  OpenAllRequest,
  Opened,
  PhalaOpened,
  PhalaSealRequest,
  RotateRequest,
  SealRequest,
  SignContent,
  Vault,
} from '../vault.ts';
import { AgentLine, gone } from './agent-line.ts';
import { encodeKeepRequest, encodeKeptSealRequest, encodeSealRequest, readKey, type Operation } from './protocol.ts';
import { encodeContent } from './sign-content.ts';

export interface ConnectAgentOptions {
  /** Path of the agent's socket. */
  readonly socket: string;
  /** Until the agent must have answered the hello, ms. Default 5000. */
  readonly timeoutMs?: number;
  /** How long a call waits for an agent that is busy, or gone and maybe started again, ms. Default 30 000. */
  readonly patienceMs?: number;
}

const defaultTimeoutMs = 5_000;
const defaultPatienceMs = 30_000;
/** Between two tries of a call that waits. */
const retryMs = 100;
/** Envelopes given to the agent at once: its socket takes so many. */
const openedAtOnce = 256;

/**
 * A vault that an agent holds: nothing secret is in this process. Calls are pipelined. Where the agent is
 * busy or goes away its calls wait for it; when they waited long enough they throw agent-busy or agent-gone, and the next one
 * looks for it again. Throws bad-value, agent-gone, agent-version, agent-protocol.
 */
export async function connectAgent({
  socket,
  timeoutMs = defaultTimeoutMs,
  patienceMs = defaultPatienceMs,
}: ConnectAgentOptions): Promise<Vault> {
  checkValue('timeoutMs', timeoutMs >= 1 && timeoutMs <= maxTimerMs, `1 to ${maxTimerMs} ms`);
  checkValue('patienceMs', patienceMs >= 0, 'ms from 0 on');
  const open = (): Promise<AgentLine> => AgentLine.open(socket, timeoutMs);
  return new AgentVault(socket, open, await open(), patienceMs);
}

class AgentVault implements Vault {
  readonly identity: Hex;
  readonly dataPath: string;
  readonly #socket: string;
  readonly #open: () => Promise<AgentLine>;
  #line: AgentLine;
  #opening: Promise<AgentLine> | undefined;
  #isClosed = false;
  readonly #patienceMs: number;
  #turn: Promise<unknown> = Promise.resolve();
  /** Calls that wait: what comes later goes behind them. */
  #waiting = 0;
  #isReplaced = false;

  constructor(socket: string, open: () => Promise<AgentLine>, line: AgentLine, patienceMs: number) {
    this.#patienceMs = patienceMs;
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
    const { freshKey } = request;
    const content = encodeSealRequest(request);
    if (freshKey === undefined) return this.#call('seal', content);
    return this.#call('seal-fresh', new Writer().u64(keepTime(freshKey)).raw(content).finish());
  }

  async forgetFresh(publicKey: Uint8Array): Promise<void> {
    await this.#call('forget-fresh', publicKey);
  }

  async keep(request: KeepRequest): Promise<Uint8Array> {
    return this.#call('keep', encodeKeepRequest(request));
  }

  async sealKept(request: KeptSealRequest): Promise<Uint8Array> {
    const { freshKey } = request;
    const content = encodeKeptSealRequest(request);
    if (freshKey === undefined) return this.#call('seal-kept', content);
    return this.#call('seal-kept-fresh', new Writer().u64(keepTime(freshKey)).raw(content).finish());
  }

  async open({ genesisHash, envelope }: { readonly genesisHash: Hex; readonly envelope: Uint8Array }): Promise<Opened> {
    const { header } = decodeV1(envelope);
    const request = new Writer().raw(fromHex(genesisHash)).raw(envelope).finish();
    return { header, body: decodeBody(await this.#call('open', request)) };
  }

  async openAll({ genesisHash, envelopes }: OpenAllRequest): Promise<(Opened | RelayError)[]> {
    const opened: (Opened | RelayError)[] = [];
    for (let at = 0; at < envelopes.length; at += openedAtOnce) {
      const some = envelopes.slice(at, at + openedAtOnce);
      opened.push(
        ...(await Promise.all(some.map((envelope) => this.open({ genesisHash, envelope }).catch(asRefusal)))),
      );
    }
    return opened;
  }

  async sealPhala({ recipientKey, content }: PhalaSealRequest): Promise<Uint8Array> {
    return this.#call('seal-phala', new Writer().raw(recipientKey).raw(content).finish());
  }

  async openPhala(encryptedData: Uint8Array): Promise<PhalaOpened> {
    const reader = new Reader(await this.#call('open-phala', encryptedData), 'The answer of the agent');
    return { senderKey: reader.fixed(32), content: reader.rest() };
  }

  async rotate({ atLeast = 0, replacing }: RotateRequest = {}): Promise<EcdhPublic> {
    const request = new Writer().u32(atLeast);
    if (replacing !== undefined) request.u32(replacing);
    const answer = await this.#call('rotate', request.finish());
    return readKey(new Reader(answer, 'The answer of the agent'));
  }

  async activate(epoch: number): Promise<void> {
    await this.#call('activate', new Writer().u32(epoch).finish());
  }

  async erase({ retiredBefore }: { readonly retiredBefore: number }): Promise<readonly number[]> {
    checkValue('retiredBefore', !Number.isNaN(retiredBefore), 'a time in Unix ms');
    // Times before 1970 erase nothing.
    const time = BigInt(Math.min(Number.MAX_SAFE_INTEGER, Math.max(0, Math.floor(retiredBefore))));
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
    if (this.#waiting === 0)
      try {
        return await this.#callNow(operation, content);
      } catch (error) {
        if (!this.#mayPass(error)) throw error;
      }
    this.#waiting += 1;
    // One at a time: each that is let through leaves the agent to the next.
    const calledAt = performance.now();
    const answer = this.#turn.then(() => this.#callPatiently(operation, content, calledAt));
    const leave = (): void => {
      this.#waiting -= 1;
    };
    this.#turn = answer.then(leave, leave);
    return answer;
  }

  async #callPatiently(operation: Operation, content: Uint8Array, calledAt: number): Promise<Uint8Array> {
    const turnAt = performance.now();
    for (;;) {
      try {
        return await this.#callNow(operation, content);
      } catch (error) {
        // A busy agent takes one call after another; one that is gone takes none of them.
        const since = isRelayError(error, 'agent-busy') ? turnAt : calledAt;
        if (!this.#mayPass(error) || performance.now() - since + retryMs > this.#patienceMs) throw error;
      }
      await sleep(retryMs);
    }
  }

  #mayPass(error: unknown): boolean {
    if (this.#isClosed || this.#isReplaced || this.#patienceMs === 0) return false;
    return isRelayError(error, 'agent-busy') || isRelayError(error, 'agent-gone');
  }

  async #callNow(operation: Operation, content: Uint8Array): Promise<Uint8Array> {
    if (this.#isClosed) throw new RelayError('vault-closed');
    if (!this.#line.isOpen) this.#line = await this.#reconnect();
    return this.#line.call(operation, content);
  }

  async #reconnect(): Promise<AgentLine> {
    this.#opening ??= this.#open().finally(() => (this.#opening = undefined));
    const line = await this.#opening;
    this.#isReplaced = toHex(line.facts.identity) !== this.identity;
    if (!this.#isReplaced) return line;
    line.end(gone(this.#socket, 'another entity has its place'));
    throw gone(this.#socket, `it holds another entity now, ${toHex(line.facts.identity)}`);
  }
}

/** What concerns the message, or that its key may be in a file that the agent can not read; that the agent is gone concerns all. */
function asRefusal(error: unknown): RelayError {
  if (isVaultUnread(error) || (error instanceof RelayError && !isLocalFailure(error))) return error;
  throw error;
}

// What is no time at all, the vault refuses: in the one way for all kinds of vaults.
function keepTime({ keepMs }: FreshKey): bigint {
  return keepMs >= 0 && keepMs < Number.MAX_SAFE_INTEGER ? BigInt(Math.ceil(keepMs)) : BigInt(Number.MAX_SAFE_INTEGER);
}
