/** JSON-RPC servers of Substrate nodes answer so where the result exceeds their limit (15 MB by default). */
export const oversizeCode = -32008;

/** So does jsonrpsee where the answers of a batch do together. */
const batchOversizeCode = -32011;

/** So does jsonrpsee where a batch has more calls than it takes at once. */
const batchTooLongCode = -32010;

/** Internal error (JSON-RPC 2.0, section 5.1). */
const internalCode = -32603;

/**
 * What servers answer that may do better the next time: an internal error, a busy server
 * (jsonrpsee), a rate limit (as providers of public nodes give it: EIP-1474, HTTP).
 */
const transientCodes: readonly number[] = [internalCode, -32009, -32005, -32029, 429];

/** Method not found (JSON-RPC 2.0, section 5.1), or the words of nodes and proxies that hide it. */
export function isMethodMissing({ code, reason }: RpcError): boolean {
  return code === -32601 || saysUnavailable(reason);
}

export function saysUnavailable(reason: string): boolean {
  return /method not found|unsafe|method .*not (supported|available)/i.test(reason);
}

export function isTransient(error: RpcError): boolean {
  return transientCodes.includes(error.code);
}

/** It failed, rather than that it has no time. */
export function isInternal({ code }: RpcError): boolean {
  return code === internalCode;
}

/** The node's answer to a request is an error. Inside the chain room only: callers get a RelayError. */
export class RpcError extends Error {
  override readonly name = 'RpcError';
  readonly method: string;
  readonly code: number;
  readonly data: string | undefined;
  /** Who answered so. */
  readonly url: string;

  constructor(method: string, code: number, message: string, data: string | undefined, url = '') {
    super(message);
    this.method = method;
    this.code = code;
    this.data = data;
    this.url = url;
  }

  /** Message and data in one text, without a full stop at its end. */
  get reason(): string {
    const text = this.data === undefined || this.data === '' ? this.message : `${this.message}: ${this.data}`;
    return text.replace(/\.\s*$/, '');
  }
}

/** The connection broke before the answer came: whether the node acted is not known. Inside the chain room only. */
export class ConnectionLost extends Error {
  override readonly name = 'ConnectionLost';
  readonly url: string;
  /** It broke of an answer that was larger than one of the two sides takes. */
  readonly isOversize: boolean;
  /** Nothing else was on the way that it could have broken of. */
  readonly isAlone: boolean;

  constructor(url: string, reason: string, { isOversize = false, isAlone = false } = {}) {
    super(reason);
    this.url = url;
    this.isOversize = isOversize;
    this.isAlone = isAlone;
  }
}

/** The node took no batch, or not one of this size: its calls are to be made one by one. Inside the chain room only. */
export class BatchRefused extends Error {
  override readonly name = 'BatchRefused';
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }

  /** Whether it had more calls than the node takes at once, whatever they are. */
  get isTooLong(): boolean {
    return this.code === batchTooLongCode;
  }

  /** Whether its answers are together more than the node sends: those of fewer calls may pass. */
  get isOversize(): boolean {
    if (this.isTooLong) return false;
    return this.code === batchOversizeCode || this.code === oversizeCode || /too (large|big)/i.test(this.message);
  }
}
