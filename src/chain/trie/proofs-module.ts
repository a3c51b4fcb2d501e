import { RelayError } from '../../errors/index.ts';
import { keepShape } from '../keep-shape.ts';
import type { RawText } from '../rpc/raw-text.ts';
import { proofsWasm } from './proofs-wasm.ts';

/** sr25519/README.md, feature `proofs`. */
interface ProofsExports {
  readonly memory: WebAssembly.Memory;
  reserve(length: number): number;
  blake2b_256(length: number): number;
  proof_nodes(length: number): number;
}

/** Of what was written where `reserve` said; 0: it says no. */
type Operation = (exports: ProofsExports, length: number) => number;

const hashLength = 32;
const u32 = 4;
/** How many there are and their bytes, in front of all else. */
const headLength = 2 * u32;
/** An instance whose memory grew beyond this is given up after use, since it never shrinks. */
const maxKeptBytes = 16 * 1024 * 1024;

const openBracket = Uint8Array.of(0x5b);
const closeBracket = Uint8Array.of(0x5d);
const comma = Uint8Array.of(0x2c);
/** Length of a list of nothing. */
const emptyList = 2;

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

keepShape(new HashedNodes(new Uint8Array(0), new Uint8Array(0), new Uint32Array(0)));

/** BLAKE2b-256, of the nodes of a proof all at once: a call for each would cost as much as its hash. */
export class ProofsModule {
  readonly #module: WebAssembly.Module;
  /** undefined before the first use, and where the last one was given up. */
  #exports: ProofsExports | undefined;
  /** Somebody reads in its memory. */
  #isRead = false;

  constructor(module: WebAssembly.Module) {
    this.#module = module;
  }

  /** BLAKE2b-256. Throws bad-value for more than fits into memory. */
  readonly binary = (bytes: Uint8Array): Uint8Array => {
    const hashed = this.#run([bytes], blake2b256, hashAt);
    if (hashed === undefined)
      throw new RelayError('bad-value', {
        details: { what: 'The data', reason: `${bytes.length} bytes are too many` },
      });
    return hashed;
  };

  /** Of the text of a JSON list of 0x-hex, without white space; undefined for any other text. Does not throw. */
  nodesIn(list: Uint8Array): HashedNodes | undefined {
    return this.#run([list], proofNodes, (memory, start) => hashedNodesIn(answerAt(memory, start).slice()));
  }

  /**
   * What `read` makes of several lists as if they were one, which takes no call for each; undefined where one of them is no
   * such text. The nodes are where the module has them, uncopied: `read` keeps no view of them, and asks
   * the module for nothing, which would throw.
   */
  readNodes<T>(lists: readonly RawText[], read: (nodes: HashedNodes) => T): T | undefined {
    const parts: Uint8Array[] = [openBracket];
    for (const { frame, start, end } of lists) {
      if (frame[start] !== openBracket[0] || frame[end - 1] !== closeBracket[0]) return undefined;
      if (end - start === emptyList) continue;
      if (parts.length > 1) parts.push(comma);
      parts.push(frame.subarray(start + 1, end - 1));
    }
    parts.push(closeBracket);
    return this.#run(parts, proofNodes, (memory, start) => {
      this.#isRead = true;
      try {
        return read(hashedNodesIn(answerAt(memory, start)));
      } finally {
        this.#isRead = false;
      }
    });
  }

  /**
   * What `read` makes of the answer in memory; undefined where there is not enough memory, or the operation says no. Whatever
   * a node sent, and however it ends, no more memory is kept than before.
   */
  #run<T>(
    request: readonly Uint8Array[],
    operation: Operation,
    read: (memory: ArrayBuffer, start: number) => T,
  ): T | undefined {
    if (this.#isRead)
      throw new RelayError('bad-value', {
        details: { what: 'A call of the module', reason: 'its memory is being read' },
      });
    try {
      const exports = (this.#exports ??= instanceOf(this.#module));
      let length = 0;
      for (const part of request) length += part.length;
      const start = exports.reserve(length);
      if (start === 0) return undefined;
      const memory = new Uint8Array(exports.memory.buffer, start, length);
      let at = 0;
      for (const part of request) {
        memory.set(part, at);
        at += part.length;
      }
      return operation(exports, length) === 0 ? undefined : read(exports.memory.buffer, start);
    } catch (error) {
      this.#exports = undefined;
      if (isOutOfMemory(error)) return undefined;
      throw error;
    } finally {
      if ((this.#exports?.memory.buffer.byteLength ?? 0) > maxKeptBytes) this.#exports = undefined;
    }
  }
}

const blake2b256: Operation = (exports, length) => exports.blake2b_256(length);
const proofNodes: Operation = (exports, length) => exports.proof_nodes(length);

function hashAt(memory: ArrayBuffer, start: number): Uint8Array {
  return new Uint8Array(memory, start, hashLength).slice();
}

/** A view: the next call writes over it. */
function answerAt(memory: ArrayBuffer, start: number): Uint8Array {
  const head = new DataView(memory, start, headLength);
  return new Uint8Array(memory, start, bytesAt(head.getUint32(0, true)) + head.getUint32(u32, true));
}

/** Hashes and ends come before the bytes. */
function bytesAt(count: number): number {
  return headLength + (hashLength + u32) * count;
}

function hashedNodesIn(answer: Uint8Array): HashedNodes {
  const view = new DataView(answer.buffer, answer.byteOffset, answer.length);
  const count = view.getUint32(0, true);
  const endsAt = headLength + hashLength * count;
  const ends = new Uint32Array(count);
  for (let i = 0; i < count; i++) ends[i] = view.getUint32(endsAt + u32 * i, true);
  return new HashedNodes(answer.subarray(bytesAt(count)), answer.subarray(headLength, endsAt), ends);
}

/** A trap of the module, which has no other way to tell that it ran out, or no room for an instance or an answer. */
function isOutOfMemory(error: unknown): boolean {
  return error instanceof WebAssembly.RuntimeError || error instanceof RangeError;
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
