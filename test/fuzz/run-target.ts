import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { fromHex, toHex, type Hex } from '../../src/codec/index.ts';
import { isRelayError } from '../../src/errors/index.ts';
import { inputs, type Target } from './targets.ts';

/** By target: inputs that were or could be trouble; each is run before the random ones. A finding's input is added here. */
const corpus = JSON.parse(readFileSync(new URL('corpus.json', import.meta.url), 'utf8')) as Record<
  string,
  readonly Hex[]
>;

export function corpusOf({ name }: Target): readonly Uint8Array[] {
  return (corpus[name] ?? []).map((text) => fromHex(text));
}

/** The decoder throws nothing but a RelayError, and accepts only what it would write itself. */
function check(target: Target, bytes: Uint8Array): void {
  const before = bytes.slice();
  let value: unknown;
  try {
    value = target.decode(bytes);
  } catch (error) {
    assert.ok(isRelayError(error), `${target.name}: ${String(error)}`);
    return;
  }
  assert.deepEqual(bytes, before, 'it changes its input');
  if (target.encode !== undefined)
    assert.equal(
      toHex(target.encode(value as never)),
      toHex(before),
      `${target.name} accepts what it would write otherwise`,
    );
}

export function fuzz(target: Target, numRuns: number, seed?: number): void {
  const examples = corpusOf(target).map((bytes): [Uint8Array] => [bytes]);
  const property = fc.property(inputs(target), (bytes) => {
    check(target, bytes);
  });
  fc.assert(property, {
    numRuns: Math.max(numRuns, examples.length),
    examples,
    ...(seed === undefined ? {} : { seed }),
  });
}
