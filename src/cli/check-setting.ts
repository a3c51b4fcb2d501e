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
  const { type, items, enum: choices } = schema;
  if (choices !== undefined)
    return choices.some((choice) => choice === value) ? undefined : `must be one of ${choices.join(', ')}`;
  if (type === 'number' || type === 'integer')
    return isOf(type, value) && isWithin(schema, value) ? undefined : range(schema);
  if (type !== undefined && !isOf(type, value)) return `must be ${type}`;
  if (items !== undefined && Array.isArray(value) && !value.every((item) => isOf(items.type, item)))
    return `must be ${items.type}`;
  return undefined;
}

function isWithin(
  { minimum = -Infinity, exclusiveMinimum = -Infinity, maximum = Infinity }: SettingSchema,
  value: unknown,
): boolean {
  return Number(value) >= minimum && Number(value) > exclusiveMinimum && Number(value) <= maximum;
}

/** Of a number, all that it must be, whatever was wrong with it. */
function range({ type, minimum, exclusiveMinimum, maximum }: SettingSchema): string {
  const what = type === 'integer' ? 'a whole number' : 'a number';
  const least =
    exclusiveMinimum === undefined
      ? minimum === undefined
        ? ''
        : `, ${minimum} or more`
      : ` above ${exclusiveMinimum}`;
  return `must be ${what}${least}${maximum === undefined ? '' : `, ${maximum} at most`}`;
}

function isOf(type: string, value: unknown): boolean {
  if (type === 'array') return Array.isArray(value);
  if (type === 'integer') return Number.isInteger(value);
  if (type === 'number') return Number.isFinite(value);
  return typeof value === type;
}
