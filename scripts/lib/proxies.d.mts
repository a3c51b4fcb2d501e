export const proxies: readonly {
  readonly name: string;
  readonly setting: string;
  readonly version: string;
  readonly path: string;
}[];
export function unpackedFolder(name: string): string;
