import { RpcError } from './rpc-error.ts';

/** What a node sends (JSON-RPC 2.0, sections 4 and 5). */
export interface Message {
  readonly id?: number | null;
  readonly result?: unknown;
  readonly error?: { readonly code?: number; readonly message?: string; readonly data?: unknown } | null;
  readonly method?: string;
  readonly params?: { readonly subscription?: string | number; readonly result?: unknown } | null;
}

export function isMessage(value: unknown): value is Message {
  if (typeof value !== 'object' || value === null) return false;
  const { params, error } = value as { readonly params?: unknown; readonly error?: unknown };
  return isPart(params) && isPart(error);
}

function isPart(value: unknown): boolean {
  return value === undefined || typeof value === 'object';
}

export function asRpcError(
  method: string,
  { code, message, data: raw }: NonNullable<Message['error']>,
  url: string,
): RpcError {
  const data = raw === undefined || raw === null ? undefined : typeof raw === 'string' ? raw : JSON.stringify(raw);
  return new RpcError(method, code ?? 0, message ?? 'unknown error', data, url);
}
