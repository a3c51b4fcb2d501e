import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { Hex } from '../codec/hex.ts';
import { asRelayError, RelayError } from '../errors/index.ts';
import { isHex } from './hex.ts';

/** What the dev chain needs of a raw chain spec. */
export interface ChainSpec {
  readonly name: string;
  readonly chainType: string;
  readonly properties: Readonly<Record<string, unknown>>;
  /** The genesis state, by lower-case key. */
  readonly top: ReadonlyMap<Hex, Hex>;
  /** Where it came from, for messages. */
  readonly origin: string;
}

export const codeKey: Hex = '0x3a636f6465';

/** The spec that khala-relay ships, at the same place from src/ and from dist/. */
const defaultChainSpec = new URL('../../runtime/artifacts/khala-dev.spec.json', import.meta.url);

/** Throws dev-spec-unreadable or dev-spec-invalid. */
export async function loadChainSpec(source: string | URL = defaultChainSpec): Promise<ChainSpec> {
  const origin = source.toString();
  let text: string;
  try {
    const path = origin.startsWith('file:') || source instanceof URL ? fileURLToPath(source) : origin;
    text = await readFile(path, 'utf8');
  } catch (error) {
    throw asRelayError(error, 'dev-spec-unreadable', { spec: origin });
  }
  return parseChainSpec(text, origin);
}

/** Throws dev-spec-invalid. `origin` names the spec in the error. */
function parseChainSpec(text: string, origin: string): ChainSpec {
  const invalid = (reason: string): RelayError =>
    new RelayError('dev-spec-invalid', { details: { spec: origin, reason } });
  let spec: unknown;
  try {
    spec = JSON.parse(text);
  } catch {
    throw invalid('it is not JSON');
  }
  if (!isRecord(spec)) throw invalid('it is not a JSON object');
  if (!isRecord(spec['genesis'])) throw invalid('it has no genesis');
  const raw = spec['genesis']['raw'];
  if (!isRecord(raw)) throw invalid('its genesis is not raw');
  if (!isRecord(raw['top'])) throw invalid('genesis.raw has no top');
  const top = new Map<Hex, Hex>();
  for (const [key, value] of Object.entries(raw['top'])) {
    if (!isHex(key)) throw invalid(`the key ${abbreviate(key)} is not hex`);
    if (!isHex(value)) throw invalid(`the value at ${abbreviate(key)} is not hex`);
    top.set(key.toLowerCase() as Hex, value);
  }
  if ((top.get(codeKey)?.length ?? 2) === 2) throw invalid('genesis.raw.top has no runtime at :code (0x3a636f6465)');
  return {
    name: typeof spec['name'] === 'string' ? spec['name'] : 'Development',
    chainType: typeof spec['chainType'] === 'string' ? spec['chainType'] : 'Development',
    properties: isRecord(spec['properties']) ? spec['properties'] : {},
    top,
    origin,
  };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function abbreviate(text: string): string {
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}
