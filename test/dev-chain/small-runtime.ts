import type { Hex } from '../../src/codec/index.ts';

/** WASM code of functions of a runtime: they have the argument's place and length (i32 each) and give a span (i64). */
export const wasm = {
  unreachable: [0x00],
  /** Logs the argument as an error and gives nothing. */
  logArgument: [
    ...[0x41, 0x01, 0x42, 0x00], // i32.const 1 (the level), i64.const 0 (no target)
    ...[0x20, 0x00, 0xad, 0x20, 0x01, 0xad, 0x42, 0x20, 0x86, 0x84], // at | length << 32
    ...[0x10, 0x00, 0x42, 0x00], // call 0, i64.const 0
  ],
} as const;

/** The least that a host runs: a module with these functions, a memory and a heap. Each part is less than 128 bytes. */
export function smallRuntime(functions: Readonly<Record<string, readonly number[]>>): Hex {
  const entries = Object.entries(functions);
  const bytes = [
    ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
    ...section(1, [
      [0x60, 2, 0x7f, 0x7f, 1, 0x7e],
      [0x60, 3, 0x7f, 0x7e, 0x7e, 0],
    ]),
    ...section(2, [
      [...name('env'), ...name('memory'), 2, 0, 1],
      [...name('env'), ...name('ext_logging_log_version_1'), 0, 1],
    ]),
    ...section(
      3,
      entries.map(() => [0]),
    ),
    // A constant i32: 65 536, behind the one page.
    ...section(6, [[0x7f, 0, 0x41, 0x80, 0x80, 0x04, 0x0b]]),
    ...section(7, [[...name('__heap_base'), 3, 0], ...entries.map(([key], index) => [...name(key), 0, index + 1])]),
    ...section(
      10,
      entries.map(([, code]) => [code.length + 2, 0, ...code, 0x0b]),
    ),
  ];
  return `0x${Buffer.from(bytes).toString('hex')}`;
}

function section(id: number, items: readonly (readonly number[])[]): number[] {
  const content = [items.length, ...items.flat()];
  return [id, content.length, ...content];
}

function name(text: string): number[] {
  return [text.length, ...Buffer.from(text)];
}
