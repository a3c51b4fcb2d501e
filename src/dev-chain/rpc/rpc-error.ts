import { isRelayError } from '../../errors/index.ts';

/** A refusal as a node's RPC tells it. The server passes it on; it never leaves the dev chain otherwise. */
export class RpcError extends Error {
  readonly code: number;
  readonly data: string | undefined;

  constructor(code: number, message: string, data?: string) {
    super(message);
    this.code = code;
    this.data = data;
  }

  toJSON(): { readonly code: number; readonly message: string; readonly data?: string } {
    const { code, message, data } = this;
    return data === undefined ? { code, message } : { code, message, data };
  }
}

/** The codes of sc-rpc's author module. */
export const poolErrors = {
  badFormat: (reason: string) => new RpcError(1001, `Extrinsic has invalid format: ${reason}`),
  verification: (reason: string) => new RpcError(1002, `Verification Error: Runtime error: ${reason}`, reason),
  invalid: (reason: string) => new RpcError(1010, 'Invalid Transaction', reason),
  unknown: (reason: string) => new RpcError(1011, 'Unknown Transaction Validity', reason),
  banned: () => new RpcError(1012, 'Transaction is temporarily banned'),
  alreadyImported: (hash: string) => new RpcError(1013, 'Transaction Already Imported', hash),
  tooLowPriority: (old: bigint, given: bigint) =>
    new RpcError(
      1014,
      `Priority is too low: (${old} vs ${given})`,
      'The transaction has too low priority to replace another transaction already in the pool.',
    ),
  immediatelyDropped: () =>
    new RpcError(1016, 'Immediately Dropped', "The transaction couldn't enter the pool because of the limit"),
} as const;

/** The codes of the JSON-RPC specification and of sc-rpc's state module. */
export const rpcErrors = {
  parse: () => new RpcError(-32700, 'Parse error'),
  invalidRequest: () => new RpcError(-32600, 'Invalid request'),
  methodNotFound: () => new RpcError(-32601, 'Method not found'),
  invalidParams: (reason: string) => new RpcError(-32602, `Invalid params: ${reason}`),
  internal: (reason: string) => new RpcError(-32603, `Internal error: ${reason}`),
  unknownBlock: (hash: string) =>
    new RpcError(4003, `Client error: UnknownBlock: Header was not found in the database: ${hash}`),
  stateDiscarded: (hash: string) =>
    new RpcError(4003, `Client error: UnknownBlock: State already discarded for ${hash}`),
  blockRange: (from: string, to: string) =>
    new RpcError(4001, `Cannot resolve a block range ['${from}' ... '${to}]. from and to are on different forks`),
  tooManyKeys: (count: number, max: number) =>
    new RpcError(4002, `count exceeds maximum value. value: ${count}, max: ${max}`),
  execution: (reason: string) => new RpcError(4003, `Client error: Execution failed: ${reason}`),
} as const;

export function asRpcError(error: unknown): RpcError {
  if (error instanceof RpcError) return error;
  if (isRelayError(error)) {
    return error.code === 'dev-executor-failed'
      ? rpcErrors.execution(error.message)
      : new RpcError(-32000, error.message, `${error.code}: ${error.remedy}`);
  }
  return rpcErrors.internal(error instanceof Error ? error.message : String(error));
}
