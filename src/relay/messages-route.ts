import type { FastifyInstance, FastifyRequest } from 'fastify';
import { decodeForwarded, type SignedEnvelopeJson } from '../codec/index.ts';
import { RelayError } from '../errors/index.ts';
import { ingestJson } from './ingest.ts';
import type { RelayLimits } from './limits.ts';
import type { Pipeline, Receipt } from './pipeline.ts';
import { toProblem, type Problem } from './problem.ts';
import { messageCheck } from './schemas.ts';

export interface MessagesRouteParts {
  readonly pipeline: Pipeline;
  readonly limits: RelayLimits;
}

/** POST /v1/messages: one message as bytes, one as JSON, or a batch. POST /v1/forward: one from another relay. */
export function addMessagesRoutes(server: FastifyInstance, { pipeline, limits }: MessagesRouteParts): void {
  server.post('/v1/messages', async (request, reply) => {
    const { body, ip: address } = request;
    if (Array.isArray(body)) return { results: await submitBatch(body, pipeline, limits, address) };
    const bytes = body instanceof Uint8Array ? body : fromJson(body);
    const receipt = await pipeline.submit(bytes, { address });
    return reply.code(statusOf(receipt)).send(receipt);
  });

  server.post('/v1/forward', async (request, reply) => {
    const { hops, signedEnvelope } = decodeForwarded(octets(request));
    const receipt = await pipeline.submit(signedEnvelope, { address: request.ip, hops });
    return reply.code(statusOf(receipt)).send(receipt);
  });
}

async function submitBatch(
  items: readonly unknown[],
  pipeline: Pipeline,
  { maxBatch }: RelayLimits,
  address: string,
): Promise<(Receipt | Problem)[]> {
  if (items.length > maxBatch)
    throw new RelayError('batch-too-large', { details: { size: items.length, max: maxBatch } });
  const submitted = items.map(async (item) => pipeline.submit(fromJson(item), { address }));
  return Promise.all(submitted.map((receipt) => receipt.catch(toProblem)));
}

function fromJson(item: unknown): Uint8Array {
  if (messageCheck.Check(item)) return ingestJson(item as SignedEnvelopeJson);
  const [first] = messageCheck.Errors(item);
  const reason = first === undefined ? 'it is not a message' : `${first.instancePath || 'the body'} ${first.message}`;
  throw new RelayError('bad-request', { details: { reason } });
}

function octets({ body }: FastifyRequest): Uint8Array {
  if (body instanceof Uint8Array) return body;
  throw new RelayError('bad-request', { details: { reason: 'it must be application/octet-stream' } });
}

/** 202: the relay has it and the recipient not yet. */
function statusOf({ status }: Receipt): number {
  return status === 'stored' || status === 'forwarded' ? 202 : 200;
}
