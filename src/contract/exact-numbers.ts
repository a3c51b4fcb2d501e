import { RelayError } from '../errors/index.ts';

/** Throws bad-arguments for a number, at any depth, that JavaScript may have rounded, and for one that is no integer. */
export function checkExact(method: string, value: unknown): void {
  if (typeof value === 'number' && !Number.isSafeInteger(value))
    throw new RelayError('bad-arguments', {
      details: { method, reason: `${value} may have lost digits; write it as text, "12345678901234567890"` },
    });
  if (typeof value !== 'object' || value === null) return;
  for (const inner of Object.values(value)) checkExact(method, inner);
}
