import type { Hex } from '../../../codec/hex.ts';
import { Reader } from '../../../codec/reader.ts';
import { verify } from '../../../crypto/core.ts';
import { orderedRoot } from '../../block/extrinsics-root.ts';
import { bytesToHex, hexToBytes } from '../../hex.ts';
import { compact } from '../../state/trie-encoding.ts';
import type { RuntimeHashes } from './hashes.ts';
import type { RuntimeMemory, Span } from './memory.ts';
import type { Overlay } from './overlay.ts';

/** What a runtime may call: i32 are numbers, i64 bigints. */
export type HostFunctions = Readonly<Record<string, (...args: never[]) => unknown>>;

export interface Host {
  readonly memory: RuntimeMemory;
  readonly hashes: RuntimeHashes;
  /** The storage of the task that runs. */
  readonly storage: () => Overlay;
  readonly rootOf: (storage: Overlay, version: number) => Hex;
  /** What the runtime says before it panics, above all. */
  readonly onError: (message: string) => void;
}

const keyLength = 32;
const signatureLength = 64;
/** `LogLevelFilter::Error`. */
const onlyErrors = 1;
const none = Uint8Array.of(0);

/**
 * The interface between runtime and host (Polkadot specification, appendix B), as far as runtimes like the dev chain's use it.
 * The version of another runtime (`ext_misc_runtime_version`) is left out on purpose: that code is nobody's yet, it may trap or never
 * return, and the interpreter's thread can be ended.
 */
export function hostFunctions(host: Host): HostFunctions {
  return { ...storageFunctions(host), ...cryptoFunctions(host), ...otherFunctions(host) };
}

function storageFunctions({ memory, storage, rootOf }: Host): HostFunctions {
  return {
    ext_storage_get_version_1: (key: Span): Span => optional(memory, storage().get(memory.hexOf(key))),
    ext_storage_exists_version_1: (key: Span): number => (storage().get(memory.hexOf(key)) === undefined ? 0 : 1),
    ext_storage_set_version_1: (key: Span, value: Span): void => storage().set(memory.hexOf(key), memory.hexOf(value)),
    ext_storage_clear_version_1: (key: Span): void => storage().set(memory.hexOf(key), null),
    ext_storage_append_version_1: (key: Span, item: Span): void =>
      storage().append(memory.hexOf(key), memory.hexOf(item)),
    ext_storage_next_key_version_1: (key: Span): Span => optional(memory, storage().nextKey(memory.hexOf(key))),
    ext_storage_clear_prefix_version_2(prefix: Span, limit: Span): Span {
      const reader = new Reader(memory.readSpan(limit), 'The limit');
      const most = reader.u8() === 0 ? Infinity : reader.u32();
      const { removed, isAll } = storage().clearPrefix(memory.hexOf(prefix), most);
      const result = Buffer.alloc(5);
      result.writeUInt8(isAll ? 0 : 1);
      result.writeUInt32LE(removed, 1);
      return memory.writeSpan(result);
    },
    ext_storage_start_transaction_version_1: (): void => storage().startTransaction(),
    ext_storage_commit_transaction_version_1: (): void => storage().commit(),
    ext_storage_rollback_transaction_version_1: (): void => storage().rollBack(),
    ext_storage_root_version_2: (version: number): Span => memory.writeHex(rootOf(storage(), version)),
  };
}

function cryptoFunctions({ memory, hashes }: Host): HostFunctions {
  const hashed = (hash: (bytes: Uint8Array) => Uint8Array) => (data: Span) => memory.write(hash(memory.readSpan(data)));
  return {
    ext_hashing_blake2_128_version_1: hashed(hashes.blake2b128),
    ext_hashing_blake2_256_version_1: hashed(hashes.blake2b256),
    ext_hashing_twox_64_version_1: hashed(hashes.twox64),
    ext_hashing_twox_128_version_1: hashed(hashes.twox128),
    ext_hashing_keccak_256_version_1: hashed(hashes.keccak256),
    ext_crypto_sr25519_verify_version_2(signature: number, message: Span, publicKey: number): number {
      const [key, signed] = [memory.read(publicKey, keyLength), memory.read(signature, signatureLength)];
      return verify(key, memory.readSpan(message), signed) ? 1 : 0;
    },
    ext_trie_blake2_256_ordered_root_version_2(values: Span, version: number): number {
      const reader = new Reader(memory.readSpan(values), 'The values');
      const list = Array.from({ length: reader.compactLength() }, () => bytesToHex(reader.bytes()));
      return memory.write(hexToBytes(orderedRoot(list, version === 0 ? 0 : 1, hashes)));
    },
  };
}

function otherFunctions({ memory, onError }: Host): HostFunctions {
  return {
    ext_allocator_malloc_version_1: (length: number): number => memory.allocate(length >>> 0),
    ext_allocator_free_version_1: (at: number): void => memory.free(at >>> 0),
    ext_logging_max_level_version_1: () => onlyErrors,
    ext_logging_log_version_1: (_level: number, _target: Span, message: Span): void =>
      onError(Buffer.from(memory.readSpan(message)).toString()),
    ext_misc_print_hex_version_1: () => undefined,
    ext_misc_print_utf8_version_1: () => undefined,
  };
}

/** `Option<Vec<u8>>`. */
function optional(memory: RuntimeMemory, value: Hex | undefined): Span {
  if (value === undefined) return memory.writeSpan(none);
  const bytes = hexToBytes(value);
  return memory.writeSpan(Buffer.concat([Uint8Array.of(1), compact(bytes.length), bytes]));
}
