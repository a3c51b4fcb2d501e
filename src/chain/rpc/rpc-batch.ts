import type { ResultReader } from './frame.ts';

export type RpcCall = readonly [method: string, params: readonly unknown[]];

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
    return this.#calls[id - this.#first]?.[0] ?? '';
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

/** What needs no escapes in JSON, as all hex. */
const plainText = /^\w*$/;

/** Calls of a batch are mostly alike: the text of a parameter that is one and the same object is made once. */
function batchText(first: number, calls: readonly RpcCall[]): string {
  let text = '';
  let last: { readonly value: unknown; readonly text: string } | undefined;
  for (const [method, params] of calls) {
    text += text === '' ? '[' : ',';
    text += `{"jsonrpc":"2.0","id":${first++},"method":"${method}","params":`;
    let before = '[';
    for (const value of params) {
      if (typeof value === 'string' && plainText.test(value)) text += `${before}"${value}"`;
      else {
        if (last?.value !== value) last = { value, text: JSON.stringify(value) };
        text += before + (last?.text ?? 'null');
      }
      before = ',';
    }
    text += before === '[' ? '[]}' : ']}';
  }
  return `${text}]`;
}

/** A request as it is sent. */
export function callText(id: number, method: string, params: readonly unknown[]): string {
  return `{"jsonrpc":"2.0","id":${id},"method":"${method}","params":${JSON.stringify(params)}}`;
}
