import { hexToBytes } from '../../hex.ts';
import { RuntimeTrap } from './trap.ts';
import type { Hex } from '../../../codec/hex.ts';

const pageBytes = 2 ** 16;
/** 64 MiB, of which the machine gives what is used. */
const initialPages = 1_024;
/** As Substrate's allocator: blocks of 8 bytes to 32 MiB, each twice the one before. */
const smallestOrder = 3;
const greatestOrder = 25;
/** What Substrate's has before each block. Left alone here, but runtimes come to write into it. */
const headerBytes = 8;

/** Where bytes are in the memory, as the runtime hands them over: the address in the lower half, the length in the upper. */
export type Span = bigint;

/** The memory that a runtime imports, with the allocator that it expects of its host. */
export class RuntimeMemory {
  readonly memory = new WebAssembly.Memory({ initial: initialPages });
  readonly #orders = new Map<number, number>();
  readonly #free: number[][] = [];
  #bytes = new Uint8Array(this.memory.buffer);
  #top = 0;

  /** Zeroes what was used, for the next instance. */
  clear(): void {
    this.#present().fill(0, 0, this.#top);
    this.#orders.clear();
    this.#free.length = 0;
  }

  /** What the runtime itself lays out ends at `base`. */
  startHeap(base: number): void {
    this.#top = Math.ceil(base / 2 ** smallestOrder) * 2 ** smallestOrder;
  }

  allocate(length: number): number {
    const order = length <= 2 ** smallestOrder ? smallestOrder : 32 - Math.clz32(length - 1);
    if (order > greatestOrder) throw new RuntimeTrap(`it asks for ${length} bytes of memory at once`);
    const at = this.#free[order]?.pop() ?? this.#extend(headerBytes + 2 ** order) + headerBytes;
    this.#orders.set(at, order);
    return at;
  }

  free(at: number): void {
    const order = this.#orders.get(at);
    if (order === undefined) throw new RuntimeTrap('it gives back memory that it was not given');
    this.#orders.delete(at);
    (this.#free[order] ??= []).push(at);
  }

  /** A view, good until the runtime goes on. */
  read(address: number, length: number): Uint8Array {
    const at = address >>> 0;
    if (at + length > this.#present().length) throw new RuntimeTrap('it names bytes beyond its memory');
    return this.#bytes.subarray(at, at + length);
  }

  readSpan(span: Span): Uint8Array {
    const { at, length } = placeOf(span);
    return this.read(at, length);
  }

  hexOf(span: Span): Hex {
    const bytes = this.readSpan(span);
    return `0x${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex')}`;
  }

  /** Allocates; gives the address. */
  write(bytes: Uint8Array): number {
    const at = this.allocate(bytes.length);
    this.#present().set(bytes, at);
    return at;
  }

  writeSpan(bytes: Uint8Array): Span {
    return BigInt(this.write(bytes)) | (BigInt(bytes.length) << 32n);
  }

  writeHex(hex: string): Span {
    return this.writeSpan(hexToBytes(hex));
  }

  #extend(length: number): number {
    const at = this.#top;
    this.#top += length;
    const missing = this.#top - this.#present().length;
    if (missing > 0) this.#grow(Math.ceil(missing / pageBytes));
    return at;
  }

  #grow(pages: number): void {
    try {
      this.memory.grow(pages);
    } catch {
      throw new RuntimeTrap('it asks for more memory than there is');
    }
  }

  /** The buffer is another one once the memory has grown. */
  #present(): Uint8Array {
    if (this.#bytes.buffer !== this.memory.buffer) this.#bytes = new Uint8Array(this.memory.buffer);
    return this.#bytes;
  }
}

function placeOf(span: Span): { readonly at: number; readonly length: number } {
  return { at: Number(BigInt.asUintN(32, span)), length: Number(BigInt.asUintN(32, span >> 32n)) };
}
