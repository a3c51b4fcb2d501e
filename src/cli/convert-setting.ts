const booleans: Readonly<Record<string, boolean>> = { true: true, false: false, '1': true, '0': false };

/** A value as the type of its schema, where it says the same: text of the environment as a number, or one URL as a list of one. */
export function convertSetting(type: string | undefined, value: unknown): unknown {
  switch (type) {
    case 'array':
      return (Array.isArray(value) ? value : [value]).map(textOf);
    case 'string':
      return textOf(value);
    case 'boolean':
      return booleans[String(value).toLowerCase()] ?? value;
    case 'number':
    case 'integer':
      return typeof value === 'string' && value.trim() !== '' ? numberOf(value) : value;
    default:
      return value;
  }
}

function numberOf(text: string): unknown {
  const number = Number(text);
  return Number.isFinite(number) ? number : text;
}

function textOf(value: unknown): unknown {
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : value;
}
