import { asRpcError, rpcErrors, type RpcError } from './rpc-error.ts';

/** A request that may be carried out. */
export interface Request {
  readonly id: string | number | null;
  readonly method: string;
  readonly params: readonly unknown[];
}

export type Response = { readonly jsonrpc: '2.0'; readonly id: Request['id'] } & (
  { readonly result: unknown } | { readonly error: RpcError }
);

/** Carries out one request; what it throws becomes the error of the response. */
export type Dispatch = (request: Request) => Promise<unknown>;

/** Answers a text: one request or a batch. Undefined where nothing is to be answered. */
export async function answer(text: string, dispatch: Dispatch): Promise<string | undefined> {
  let message: unknown;
  try {
    message = JSON.parse(text);
  } catch {
    return JSON.stringify(failure(null, rpcErrors.parse()));
  }
  if (!Array.isArray(message)) {
    const response = await answerOne(message, dispatch);
    return response === undefined ? undefined : JSON.stringify(response);
  }
  if (message.length === 0) return JSON.stringify(failure(null, rpcErrors.invalidRequest()));
  const responses = await Promise.all(message.map((one: unknown) => answerOne(one, dispatch)));
  const given = responses.filter((response) => response !== undefined);
  return given.length === 0 ? undefined : JSON.stringify(given);
}

async function answerOne(message: unknown, dispatch: Dispatch): Promise<Response | undefined> {
  const request = read(message);
  if (request === undefined) return failure(idOf(message), rpcErrors.invalidRequest());
  // The specification: a request without an id is a notification and gets no answer, not even of failure.
  const silent = typeof message === 'object' && message !== null && !('id' in message);
  try {
    const result = (await dispatch(request)) ?? null;
    return silent ? undefined : { jsonrpc: '2.0', id: request.id, result };
  } catch (error) {
    return silent ? undefined : failure(request.id, asRpcError(error));
  }
}

function read(message: unknown): Request | undefined {
  if (typeof message !== 'object' || message === null || Array.isArray(message)) return undefined;
  const { method, params = [] } = message as { readonly method?: unknown; readonly params?: unknown };
  if (typeof method !== 'string' || typeof params !== 'object') return undefined;
  return { id: idOf(message), method, params: Array.isArray(params) ? params : Object.values(params ?? {}) };
}

function idOf(message: unknown): Request['id'] {
  const id: unknown = typeof message === 'object' && message !== null && 'id' in message ? message.id : null;
  return typeof id === 'string' || typeof id === 'number' ? id : null;
}

function failure(id: Request['id'], error: RpcError): Response {
  return { jsonrpc: '2.0', id, error };
}
