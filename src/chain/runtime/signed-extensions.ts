import { TypeRegistry, type Metadata, type PortableRegistry } from '@polkadot/types';
import { typeShape } from './type-shape.ts';

type UserExtensions = Record<string, { extrinsic: Record<string, string>; payload: Record<string, string> }>;

/**
 * Extensions without data of their own, such as Khala's CheckMqSequence: the library knows few of them and warns of the
 * others, though they have no effect on what is signed.
 */
export function userExtensions(metadata: Metadata): UserExtensions {
  return Object.fromEntries(
    extensions(metadata)
      .filter(({ isEmpty }) => isEmpty)
      .map(({ name }) => [name, { extrinsic: {}, payload: {} }]),
  );
}

/** Extensions with data that nobody here knows how to fill in: with one of them nothing can be signed. */
export function unknownExtensions(metadata: Metadata): string[] {
  return extensions(metadata)
    .filter(({ isEmpty, name }) => !isEmpty && !isKnown(name))
    .map(({ name }) => name);
}

function isKnown(name: string): boolean {
  const registry = new TypeRegistry();
  registry.setSignedExtensions([name], undefined, true);
  return [registry.getSignedExtensionTypes(), registry.getSignedExtensionExtra()].some(
    (types) => Object.keys(types).length > 0,
  );
}

function extensions(metadata: Metadata): { readonly name: string; readonly isEmpty: boolean }[] {
  const { lookup } = metadata.asLatest;
  // From version 14 itself, which `state_getMetadata` gives: the library loses `additionalSigned` on the way to its latest.
  return metadata.asV14.extrinsic.signedExtensions.map(({ identifier, type, additionalSigned }) => ({
    name: identifier.toString(),
    isEmpty: isEmptyType(lookup, type.toNumber()) && isEmptyType(lookup, additionalSigned.toNumber()),
  }));
}

function isEmptyType(lookup: PortableRegistry, id: number): boolean {
  return ['()', '{}'].includes(typeShape(lookup, id));
}
