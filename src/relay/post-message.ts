import type { Hex } from '../codec/index.ts';
import { RelayError } from '../errors/index.ts';
import type { FrameStatus } from './relay-frames.ts';
import type { Transport } from './transport.ts';
import { fromWire } from './wire-error.ts';

export interface PostedReceipt {
  readonly type: 'receipt';
  readonly messageId: Hex;
  readonly status: FrameStatus;
}

/** Sends one message by HTTP, or hands it on as `Forwarded`. Throws what the relay answers, endpoint-refused, endpoint-failed. */
export async function postMessage(
  transport: Transport,
  url: string,
  signedEnvelope: Uint8Array,
  signal: AbortSignal,
): Promise<PostedReceipt> {
  const { status, body } = await transport.post(url, signedEnvelope, signal);
  const answer = parse(body);
  if (status >= 200 && status < 300 && isReceipt(answer))
    return { type: 'receipt', messageId: answer.messageId, status: answer.status };
  if (typeof answer['code'] === 'string') throw fromProblem(answer, answer['code'], url);
  throw new RelayError('endpoint-failed', { details: { endpoint: url, reason: `it answered with status ${status}` } });
}

function fromProblem(problem: Readonly<Record<string, unknown>>, code: string, url: string): RelayError {
  const [detail, remedy] = [problem['detail'], problem['remedy']];
  const details = problem['details'];
  return fromWire(
    {
      code,
      message: typeof detail === 'string' ? detail : '',
      remedy: typeof remedy === 'string' ? remedy : '',
      details: isObject(details) ? (details as Record<string, string>) : {},
    },
    url,
  );
}

const statuses: ReadonlySet<unknown> = new Set(['stored', 'delivered', 'duplicate', 'forwarded']);

function isReceipt(answer: Readonly<Record<string, unknown>>): answer is { messageId: Hex; status: FrameStatus } {
  return typeof answer['messageId'] === 'string' && statuses.has(answer['status']);
}

function parse(body: Uint8Array): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(body));
    return isObject(value) ? value : {};
  } catch {
    return {};
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
