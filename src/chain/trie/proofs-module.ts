import { RelayError } from '../../errors/index.ts';
import { proofsWasm } from './proofs-wasm.ts';

/** sr25519/README.md, feature `proofs`. */
interface ProofsExports {
  readonly memory: WebAssembly.Memory;
  reserve(length: number): number;
  blake2b_256(length: number): number;
  proof_nodes(length: number): number;
}

const hashLength = 32;
const u32 = 4;
/** How many there are and their bytes, in front of all else. */
const headLength = 2 * u32;
/** An instance whose memory grew beyond this is given up after use, since it never shrinks. */
const maxKeptBytes = 16 * 1024 * 1024;

/** Nodes of a proof, one behind the other. */
export class HashedNodes {
  readonly bytes: Uint8Array;
  /** BLAKE2b-256 of each, 32 bytes. */
  readonly hashes: Uint8Array;
  /** Where each ends among the bytes. */
  readonly ends: Uint32Array;

  constructor(bytes: Uint8Array, hashes: Uint8Array, ends: Uint32Array) {
    this.bytes = bytes;
    this.hashes = hashes;
    this.ends = ends;
  }
}

/** BLAKE2b-256, of the nodes of a proof all at once: a call for each would cost as much as its hash. */
export class ProofsModule {
  readonly #module: WebAssembly.Module;
  #exports: ProofsExports;

  constructor(module: WebAssembly.Module) {
    this.#module = module;
    this.#exports = instanceOf(module);
  }

  /** BLAKE2b-256. Throws bad-value for more than fits into memory. */
  readonly binary = (bytes: Uint8Array): Uint8Array => {
    const start = this.#run(bytes, (exports) => exports.blake2b_256(bytes.length));
    if (start === undefined)
      throw new RelayError('bad-value', {
        details: { what: 'The data', reason: `${bytes.length} bytes are too many` },
      });
    return this.#taken(start, hashLength);
  };

  /** Of the text of a JSON list of 0x-hex, without white space; undefined for any other text. Does not throw. */
  nodesIn(list: Uint8Array): HashedNodes | undefined {
    const start = this.#run(list, (exports) => exports.proof_nodes(list.length));
    if (start === undefined) return undefined;
    const head = new DataView(this.#exports.memory.buffer, start, headLength);
    const count = head.getUint32(0, true);
    const endsAt = headLength + hashLength * count;
    const bytesAt = endsAt + u32 * count;
    const answer = this.#taken(start, bytesAt + head.getUint32(u32, true));
    const view = new DataView(answer.buffer, endsAt);
    const ends = new Uint32Array(count);
    for (let i = 0; i < count; i++) ends[i] = view.getUint32(u32 * i, true);
    return new HashedNodes(answer.subarray(bytesAt), answer.subarray(headLength, endsAt), ends);
  }

  /** Where the answer begins; undefined where there is not enough memory, or the operation says no. */
  #run(request: Uint8Array, operation: (exports: ProofsExports) => number): number | undefined {
    const exports = this.#exports;
    const start = exports.reserve(request.length);
    if (start === 0) return undefined;
    new Uint8Array(exports.memory.buffer, start, request.length).set(request);
    return operation(exports) === 0 ? undefined : start;
  }

  #taken(start: number, length: number): Uint8Array<ArrayBuffer> {
    const { buffer } = this.#exports.memory;
    const answer = new Uint8Array(buffer, start, length).slice();
    if (buffer.byteLength > maxKeptBytes) this.#exports = instanceOf(this.#module);
    return answer;
  }
}

let loading: Promise<ProofsModule> | undefined;

/** Once a process. Throws wasm-refused where no WASM may be compiled, as on a page with a strict Content-Security-Policy. */
export function loadProofsModule(): Promise<ProofsModule> {
  loading ??= compile();
  return loading;
}

async function compile(): Promise<ProofsModule> {
  try {
    const bytes = Uint8Array.from(atob(proofsWasm), (character) => character.charCodeAt(0));
    return new ProofsModule(await WebAssembly.compile(bytes));
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new RelayError('wasm-refused', { details: { reason }, cause });
  }
}

function instanceOf(module: WebAssembly.Module): ProofsExports {
  return new WebAssembly.Instance(module).exports as unknown as ProofsExports;
}
