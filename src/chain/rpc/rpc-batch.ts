import type { ResultReader } from './frame.ts';

/** A request without its id. */
export interface RpcCall {
  readonly method: string;
  readonly params: readonly unknown[];
}

/** One batch of JSON-RPC 2.0 on its way: ids follow one another, and answers come in any order. */
export class RpcBatch {
  /** What is sent. */
  readonly text: string;
  /** In the order of the calls; an RpcError where the node refused one. */
  readonly answers: Promise<unknown[]>;
  /** Reads each of the answers. */
  readonly reader: ResultReader | undefined;
  readonly #first: number;
  readonly #calls: readonly RpcCall[];
  readonly #results: unknown[];
  readonly #answered: Uint8Array;
  #left: number;
  #resolve: (results: unknown[]) => void = () => undefined;
  #reject: (error: Error) => void = () => undefined;

  constructor(first: number, calls: readonly RpcCall[], reader: ResultReader | undefined) {
    this.reader = reader;
    this.#first = first;
    this.#calls = calls;
    this.#results = new Array<unknown>(calls.length);
    this.#answered = new Uint8Array(calls.length);
    this.#left = calls.length;
    this.text = batchText(first, calls);
    this.answers = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  has(id: number): boolean {
    return id >= this.#first && id < this.#first + this.#calls.length;
  }

  methodOf(id: number): string {
    return this.#calls[id - this.#first]?.method ?? '';
  }

  answer(id: number, result: unknown): void {
    const at = id - this.#first;
    if (this.#answered[at] !== 0) return;
    this.#answered[at] = 1;
    this.#results[at] = result;
    this.#left -= 1;
    if (this.#left === 0) this.#resolve(this.#results);
  }

  fail(error: Error): void {
    this.#reject(error);
  }
}

/** Calls of a batch are mostly alike but for the last parameter: the text of all before that is made once. */
function batchText(first: number, calls: readonly RpcCall[]): string {
  // One text at the end: a text made longer and longer is as many objects as pieces, and a list of them several lists.
  const pieces = new Array<string>(4 * calls.length + 1);
  let at = 0;
  let alike: RpcCall | undefined;
  let middle = '';
  for (const call of calls) {
    if (alike === undefined || !isAlike(call, alike)) {
      alike = call;
      middle = `,"method":"${call.method}","params":[${call.params.slice(0, -1).map(textBefore).join('')}`;
    }
    pieces[at] = at === 0 ? '[{"jsonrpc":"2.0","id":' : ']},{"jsonrpc":"2.0","id":';
    pieces[at + 1] = String(first++);
    pieces[at + 2] = middle;
    pieces[at + 3] = call.params.length === 0 ? '' : JSON.stringify(call.params.at(-1));
    at += 4;
  }
  pieces[at] = ']}]';
  return pieces.join('');
}

function isAlike(a: RpcCall, b: RpcCall): boolean {
  if (a.method !== b.method || a.params.length !== b.params.length) return false;
  for (let i = 0; i < a.params.length - 1; i++) if (a.params[i] !== b.params[i]) return false;
  return true;
}

function textBefore(param: unknown): string {
  return `${JSON.stringify(param)},`;
}

/** A request as it is sent. */
export function callText(id: number, method: string, params: readonly unknown[]): string {
  return `{"jsonrpc":"2.0","id":${id},"method":"${method}","params":${JSON.stringify(params)}}`;
}
