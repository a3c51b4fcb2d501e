import { RelayError } from '../errors/index.ts';

/** sr25519/README.md. Each operation reads its request from memory and writes its answer over it. */
export interface WasmExports {
  readonly memory: WebAssembly.Memory;
  reserve(length: number): number;
}

/** An instance of a module of sr25519/: passes requests in and takes answers out. */
export class WasmModule<Exports extends WasmExports> {
  readonly #exports: Exports;

  constructor(module: WebAssembly.Module) {
    this.#exports = new WebAssembly.Instance(module).exports as unknown as Exports;
  }

  /** `answerLength` bytes; undefined where the operation says no. Throws bad-value for more than fits into memory. */
  protected answer(
    operation: (exports: Exports) => number,
    answerLength: number,
    ...request: readonly Uint8Array[]
  ): Uint8Array<ArrayBuffer> | undefined {
    const length = request.reduce((sum, part) => sum + part.length, 0);
    const start = this.#exports.reserve(Math.max(length, answerLength));
    if (start === 0)
      throw new RelayError('bad-value', { details: { what: 'The data', reason: `${length} bytes are too many` } });
    const room = new Uint8Array(this.#exports.memory.buffer, start, length);
    let at = 0;
    for (const part of request) {
      room.set(part, at);
      at += part.length;
    }
    if (operation(this.#exports) === 0) return undefined;
    // The memory may have grown, and so have got another buffer.
    const there = new Uint8Array(this.#exports.memory.buffer, start, answerLength);
    const answer = there.slice();
    there.fill(0);
    return answer;
  }
}
