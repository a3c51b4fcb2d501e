import { Reader } from '../codec/index.ts';
import type { ChainInfo } from './chain.ts';
import type { Connection } from './rpc/connection.ts';
import { RpcError } from './rpc/rpc-error.ts';
import { maxExtrinsicBytes } from './runtime/block-limits.ts';
import type { Runtime } from './runtime/runtime.ts';
import type { BlockStorage } from './storage/block-storage.ts';
import { storagePrefix } from './storage/storage-key.ts';

/** Khala's, used where the chain does not say. */
const defaults = { paraId: 2004, ss58Prefix: 30, tokenSymbol: 'PHA', tokenDecimals: 12 } as const;
export async function readChainInfo(
  connection: Connection,
  runtime: Runtime,
  signal: AbortSignal | undefined,
): Promise<ChainInfo> {
  const ask = (method: string): Promise<unknown> =>
    connection.request(method, [], { signal }).catch((error: unknown) => {
      // Names for people only: a node may refuse them.
      if (error instanceof RpcError) return undefined;
      throw error;
    });
  const [name, type, properties] = await Promise.all(
    ['system_chain', 'system_chainType', 'system_properties'].map(ask),
  );
  const { ss58Format, tokenSymbol, tokenDecimals } = (properties ?? {}) as Readonly<Record<string, unknown>>;
  const first = (value: unknown): unknown => (Array.isArray(value) ? (value as unknown[])[0] : value);
  const prefix = Number(runtime.constant('system', 'ss58Prefix')?.toString() ?? first(ss58Format));
  const symbol = first(tokenSymbol);
  const decimals = Number(first(tokenDecimals) ?? defaults.tokenDecimals);
  return {
    chainName: typeof name === 'string' ? name : runtime.version.specName,
    chainType: typeof type === 'string' ? type : undefined,
    specName: runtime.version.specName,
    specVersion: runtime.version.specVersion,
    ss58Prefix: Number.isInteger(prefix) ? prefix : defaults.ss58Prefix,
    tokenSymbol: typeof symbol === 'string' ? symbol : defaults.tokenSymbol,
    tokenDecimals: Number.isInteger(decimals) ? decimals : defaults.tokenDecimals,
    maxExtrinsicBytes: maxExtrinsicBytes(runtime),
    noneAttestationEnabled: runtime.constant('phalaRegistry', 'noneAttestationEnabled')?.toString() === 'true',
  };
}

/** Of `ParachainInfo`, where the chain has it; Khala's otherwise, which the dev runtime expects too. */
export async function readParaId(
  storage: BlockStorage,
  runtime: Runtime,
  signal: AbortSignal | undefined,
): Promise<number> {
  const what = 'ParachainInfo.ParachainId';
  if (runtime.storage('ParachainInfo', 'ParachainId') === undefined) return defaults.paraId;
  const [value] = await storage.values([storagePrefix('ParachainInfo', 'ParachainId')], signal);
  return value === undefined ? defaults.paraId : storage.decode(what, () => new Reader(value, what).u32());
}
