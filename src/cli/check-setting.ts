/** What a setting may be: the part of JSON Schema that settings need. */
export interface SettingSchema {
  readonly type?: string;
  readonly items?: { readonly type: string };
  readonly enum?: readonly string[];
  readonly minimum?: number;
  readonly exclusiveMinimum?: number;
  readonly maximum?: number;
}

/** Why the value does not fit, as the end of a sentence that begins with "it"; undefined where it does. */
export function misfit(schema: SettingSchema, value: unknown): string | undefined {
  const { type, items, enum: choices, minimum, exclusiveMinimum, maximum } = schema;
  if (choices !== undefined)
    return choices.some((choice) => choice === value) ? undefined : `must be one of ${choices.join(', ')}`;
  if (type !== undefined && !isOf(type, value)) return `must be ${type}`;
  if (items !== undefined && Array.isArray(value) && !value.every((item) => isOf(items.type, item)))
    return `must be ${items.type}`;
  if (typeof value !== 'number') return undefined;
  if (minimum !== undefined && value < minimum) return `must be >= ${minimum}`;
  if (exclusiveMinimum !== undefined && value <= exclusiveMinimum) return `must be > ${exclusiveMinimum}`;
  if (maximum !== undefined && value > maximum) return `must be <= ${maximum}`;
  return undefined;
}

function isOf(type: string, value: unknown): boolean {
  if (type === 'array') return Array.isArray(value);
  if (type === 'integer') return Number.isInteger(value);
  if (type === 'number') return Number.isFinite(value);
  return typeof value === type;
}
