import { expandMetadata, Metadata, TypeRegistry } from '@polkadot/types';
import type { DecoratedMeta } from '@polkadot/types/metadata/decorate/types';
import type { Codec } from '@polkadot/types/types';
import type { Hex } from '../../codec/index.ts';
import { RelayError } from '../../errors/index.ts';
import { unknownExtensions, userExtensions } from './signed-extensions.ts';
import { typeShape } from './type-shape.ts';

export interface RuntimeVersion {
  readonly specName: string;
  readonly specVersion: number;
  readonly transactionVersion: number;
}

/** A storage entry as its metadata describes it. */
export interface StorageEntry {
  readonly pallet: string;
  readonly name: string;
  /** Hashers of the keys, as the metadata names them; none for a plain value. */
  readonly hashers: readonly string[];
  readonly valueShape: string;
  /** Name under which the registry makes the value. */
  readonly valueType: string;
}

/** What one version of the runtime says of itself: how its blocks are read and its extrinsics made. */
export class Runtime {
  readonly version: RuntimeVersion;
  readonly registry: TypeRegistry;
  readonly decorated: DecoratedMeta;
  /** With one of these nothing can be signed. */
  readonly unknownExtensions: readonly string[];
  readonly #entries = new Map<string, StorageEntry | undefined>();
  readonly #callShapes = new Map<string, string | undefined>();

  constructor(version: RuntimeVersion, metadata: Hex) {
    this.version = version;
    this.registry = new TypeRegistry();
    try {
      const decoded = new Metadata(this.registry, metadata);
      // Unknown extensions are judged in signed-extensions.ts; the library would only print a warning.
      this.registry.setMetadata(decoded, undefined, userExtensions(decoded), true);
      this.unknownExtensions = unknownExtensions(decoded);
      this.decorated = expandMetadata(this.registry, decoded);
    } catch (error) {
      throw new RelayError('unsupported-runtime', {
        details: { reason: `its metadata can not be read: ${String(error)}` },
      });
    }
  }

  /** Names as in the metadata, e.g. `PhalaRegistry`, `Workers`. undefined where the runtime has no such entry. */
  storage(pallet: string, name: string): StorageEntry | undefined {
    const key = `${pallet}.${name}`;
    if (!this.#entries.has(key)) this.#entries.set(key, this.#describe(pallet, name));
    return this.#entries.get(key);
  }

  /** Index of the pallet in calls and events. */
  palletIndex(pallet: string): number | undefined {
    return this.#pallet(pallet)?.index.toNumber();
  }

  palletName(index: number): string {
    const pallet = this.registry.metadata.pallets.find((candidate) => candidate.index.toNumber() === index);
    return pallet?.name.toString() ?? `pallet ${index}`;
  }

  /** Indices of pallet and call; names in the library's camelCase. */
  callIndex(section: string, method: string): Uint8Array | undefined {
    return this.decorated.tx[section]?.[method]?.callIndex;
  }

  /** Shapes of a call's arguments as {@link typeShape} writes them, with commas between; names in the library's camelCase. */
  callShape(section: string, method: string): string | undefined {
    const key = `${section}.${method}`;
    if (!this.#callShapes.has(key)) {
      const args = this.decorated.tx[section]?.[method]?.meta.fields;
      const shapes = args?.map(({ type }) => typeShape(this.registry.lookup, type.toNumber()));
      this.#callShapes.set(key, shapes?.join(','));
    }
    return this.#callShapes.get(key);
  }

  /** A constant; names in the library's camelCase. */
  constant(pallet: string, name: string): Codec | undefined {
    return this.decorated.consts[pallet]?.[name];
  }

  decode(type: string, bytes: Uint8Array): Codec {
    return this.registry.createTypeUnsafe(type, [bytes]);
  }

  #describe(pallet: string, name: string): StorageEntry | undefined {
    const storage = this.#pallet(pallet)?.storage;
    const item =
      storage?.isSome === true
        ? storage.unwrap().items.find((entry) => entry.name.toString() === name)
        : undefined;
    if (item === undefined) return undefined;
    const value = item.type.isMap ? item.type.asMap.value : item.type.asPlain;
    return {
      pallet,
      name,
      hashers: item.type.isMap ? item.type.asMap.hashers.map((hasher) => hasher.type) : [],
      valueShape: typeShape(this.registry.lookup, value.toNumber()),
      valueType: this.registry.createLookupType(value),
    };
  }

  #pallet(name: string): DecoratedPallet | undefined {
    return this.registry.metadata.pallets.find((pallet) => pallet.name.toString() === name);
  }
}

type DecoratedPallet = TypeRegistry['metadata']['pallets'][number];
