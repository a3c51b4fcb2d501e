import type { PortableRegistry } from '@polkadot/types';

/** Deeper types are not told apart; none of those read by hand is as deep. */
const maxDepth = 12;

/**
 * A type of the metadata as text that two types share just when they are encoded alike: `u32`, `[u8;32]`, `<u8>` (Vec),
 * `?u32` (Option), `{a:u8,b:u32}`, `enum{0:A,1:B(u8)}`. Wrappers around one value are left out.
 */
export function typeShape(lookup: PortableRegistry, id: number, depth = 0): string {
  if (depth > maxDepth) return '…';
  const { def, path } = lookup.getSiType(id);
  const inner = (type: { toNumber(): number }): string => typeShape(lookup, type.toNumber(), depth + 1);
  if (def.isPrimitive) {
    const name = def.asPrimitive.type.toLowerCase();
    return name === 'str' ? '<u8>' : name;
  }
  if (def.isArray) return `[${inner(def.asArray.type)};${def.asArray.len.toString()}]`;
  if (def.isSequence) return `<${inner(def.asSequence.type)}>`;
  if (def.isCompact) return `compact(${inner(def.asCompact.type)})`;
  if (def.isTuple) return `(${def.asTuple.map(inner).join(',')})`;
  if (def.isComposite) {
    const { fields } = def.asComposite;
    const [only] = fields;
    if (fields.length === 1 && only?.name.isNone === true) return inner(only.type);
    return `{${fields.map((field) => `${field.name.unwrapOr('').toString()}:${inner(field.type)}`).join(',')}}`;
  }
  if (def.isVariant) {
    const { variants } = def.asVariant;
    const some = variants[1]?.fields[0];
    if (path.at(-1)?.toString() === 'Option' && some !== undefined) return `?${inner(some.type)}`;
    const texts = variants.map(({ index, name, fields }) => {
      const content = fields.map((field) => inner(field.type)).join(',');
      return `${index.toString()}:${name.toString()}${content === '' ? '' : `(${content})`}`;
    });
    return `enum{${texts.join(',')}}`;
  }
  return def.type;
}
