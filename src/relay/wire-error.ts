import { catalogue, RelayError, type ErrorCode } from '../errors/index.ts';
import { isRelayAnswer } from './http-status.ts';

/** A RelayError as it crosses the wire, in an error frame or a problem+json document. */
export interface WireError {
  readonly code: string;
  readonly message: string;
  readonly remedy: string;
  readonly details: Readonly<Record<string, string | number | boolean>>;
}

export function toWire({ code, message, remedy, details = {} }: RelayError): WireError {
  const plain: Record<string, string | number | boolean> = {};
  for (const [name, value] of Object.entries(details))
    if (value !== undefined) plain[name] = typeof value === 'bigint' ? value.toString() : value;
  return { code, message, remedy, details: plain };
}

// A relay may be hostile: what it says goes into errors and logs, in bounded length.
const maxText = 1000;
const maxDetails = 16;

/** The error that a relay answered with: of the same code where a relay may say so, else relay-refused. */
export function fromWire(wire: WireError, endpoint: string): RelayError {
  const details: Record<string, string | number | boolean> = {};
  for (const [name, value] of Object.entries(wire.details).slice(0, maxDetails))
    if (['string', 'number', 'boolean'].includes(typeof value))
      details[name.slice(0, 64)] = typeof value === 'string' ? value.slice(0, maxText) : value;
  if (isErrorCode(wire.code) && isRelayAnswer(wire.code))
    return new RelayError(wire.code, { details: { ...details, endpoint } });
  const [code, reason, advice] = [wire.code, wire.message, wire.remedy].map((text) => text.slice(0, maxText));
  return new RelayError('relay-refused', { details: { endpoint, code, reason, advice } });
}

function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(catalogue, code);
}

/** Details from JSON of a stranger; anything else than an object is none. */
export function parseDetails(json: string): WireError['details'] {
  try {
    const value: unknown = JSON.parse(json);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as WireError['details']) : {};
  } catch {
    return {};
  }
}
