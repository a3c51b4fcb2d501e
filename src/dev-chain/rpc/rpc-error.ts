/** A refusal as a node's RPC tells it. The server passes it on; it never leaves the dev chain otherwise. */
export class RpcError extends Error {
  readonly code: number;
  readonly data: string | undefined;

  constructor(code: number, message: string, data?: string) {
    super(message);
    this.code = code;
    this.data = data;
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
    new RpcError(
      1016,
      'Immediately Dropped',
      "The transaction couldn't enter the pool because of the limit",
    ),
} as const;
