import { RelayError } from '../../errors/index.ts';
import { maxTimerMs } from '../../signals/index.ts';
import { operations, type Operation } from './protocol.ts';
import { contentType, signTypes } from './sign-content.ts';

export interface AgentPolicy {
  /** Requests a second of all clients together. Default: no limit. */
  readonly rate?: number;
  /** Operations that are allowed, as `open`; for signatures also of one type, as `sign:login`. Default: all. */
  readonly allow?: readonly string[];
  /** Time without a request after which the agent gives up its vault, ms, 1 to 2^31 - 1. Default: never. */
  readonly idleLockMs?: number;
}

const names = new Set<string>([...operations, ...signTypes.map((type) => `sign:${type}`)]);

/** What an agent's owner lets its clients do. */
export class Policy {
  readonly #allowed: ReadonlySet<string> | undefined;
  readonly #rate: number | undefined;
  readonly #now: () => number;
  #tokens: number;
  #filled: number;

  /** Throws bad-value for a name that is no operation, a rate that is no positive number, or a time that no timer can wait. */
  constructor({ rate, allow, idleLockMs }: AgentPolicy, now: () => number) {
    const unknown = allow?.find((name) => !names.has(name));
    if (unknown !== undefined) throw bad('allow', `"${unknown}" is none of ${[...names].join(', ')}`);
    if (rate !== undefined && !(rate > 0)) throw bad('rate', `${rate} is not above 0`);
    if (idleLockMs !== undefined && !(idleLockMs >= 1 && idleLockMs <= maxTimerMs))
      throw bad('idleLockMs', `${idleLockMs} is not 1 to ${maxTimerMs} ms`);
    this.#allowed = allow === undefined ? undefined : new Set(allow);
    this.#rate = rate;
    this.#now = now;
    this.#tokens = rate ?? 0;
    this.#filled = now();
  }

  /** Throws agent-refused, agent-busy. */
  check(operation: Operation, request: Uint8Array): void {
    if (this.#allowed !== undefined && !this.#allowed.has(operation)) {
      const name = operation === 'sign' ? `sign:${contentType(request)}` : operation;
      if (!this.#allowed.has(name)) throw new RelayError('agent-refused', { details: { operation: name } });
    }
    this.#take();
  }

  /** A bucket that holds the requests of one second. */
  #take(): void {
    const rate = this.#rate;
    if (rate === undefined) return;
    const now = this.#now();
    this.#tokens = Math.min(rate, this.#tokens + (Math.max(0, now - this.#filled) * rate) / 1_000);
    this.#filled = now;
    if (this.#tokens < 1) throw new RelayError('agent-busy', { details: { rate } });
    this.#tokens -= 1;
  }
}

function bad(what: string, reason: string): RelayError {
  return new RelayError('bad-value', { details: { what: `The policy's ${what}`, reason } });
}
