import type { Hex } from '../../../codec/hex.ts';
import { hexToBytes } from '../../hex.ts';
import { loadRuntimeHashes, type RuntimeHashes } from './hashes.ts';
import { NativeRuntime } from './native-runtime.ts';

// Chains of one process mostly run the same code, and a task is over before the next begins.
const mostCodes = 4;
const runtimes = new Map<Hex, Promise<NativeRuntime | undefined>>();
let hashes: Promise<RuntimeHashes> | undefined;

/** Compiled once in a process, as long as it is among those asked for last. Undefined of what is no plain WASM. */
export function nativeRuntime(code: Hex): Promise<NativeRuntime | undefined> {
  const runtime = runtimes.get(code) ?? compileOnce(code);
  runtimes.delete(code);
  runtimes.set(code, runtime);
  const [oldest] = runtimes.keys();
  if (runtimes.size > mostCodes && oldest !== undefined) runtimes.delete(oldest);
  return runtime;
}

function compileOnce(code: Hex): Promise<NativeRuntime | undefined> {
  const compiling = compile(code);
  // What failed for want of memory may do another time.
  compiling.catch(() => runtimes.delete(code));
  return compiling;
}

async function compile(code: Hex): Promise<NativeRuntime | undefined> {
  hashes ??= loadRuntimeHashes();
  try {
    return new NativeRuntime(await WebAssembly.compile(hexToBytes(code)), await hashes);
  } catch (error) {
    if (error instanceof WebAssembly.CompileError) return undefined;
    throw error;
  }
}
