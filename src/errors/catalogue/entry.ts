/** One row of the catalogue. `{name}` in a text stands for the detail of that name. */
export interface CatalogueEntry {
  /** What happened, one sentence. */
  readonly message: string;
  /** What the reader can do about it, one sentence. */
  readonly remedy: string;
  /** True where the caller's own words or arguments are at fault: the CLI exits with 2 instead of 1. */
  readonly usage?: true;
}

export type CatalogueOf<T> = { readonly [K in keyof T]: CatalogueEntry };
