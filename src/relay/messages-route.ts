import type { FastifyInstance, FastifyRequest } from 'fastify';
import { decodeForwarded, decodeMessageBatch } from '../codec/index.ts';
import { asRelayError, RelayError } from '../errors/index.ts';
import type { FailureLog } from './failure-log.ts';
import { ingestJson } from './ingest.ts';
import type { RelayLimits } from './limits.ts';
import { isBatch } from './media-types.ts';
import { messageJsonReader } from './message-json.ts';
import type { Metrics } from './metrics.ts';
import type { Pipeline, Receipt } from './pipeline.ts';
import { toProblem, type Problem } from './problem.ts';

export interface MessagesRouteParts {
  readonly pipeline: Pipeline;
  readonly limits: RelayLimits;
  readonly metrics: Metrics;
  readonly failures: FailureLog;
}

/** POST /v1/messages: one message or a batch, as bytes or as JSON. POST /v1/forward: one from another relay. */
export function addMessagesRoutes(server: FastifyInstance, parts: MessagesRouteParts): void {
  const { pipeline, limits, metrics, failures } = parts;
  const readJson = messageJsonReader(limits.maxMessageBytes);

  const counted = <T>(read: () => T): T => {
    try {
      return read();
    } catch (error) {
      metrics.count('refused_total', asRelayError(error, 'relay-failed').code);
      throw error;
    }
  };
  const fromJson = (item: unknown): Uint8Array => counted(() => ingestJson(readJson(item)));

  const problemOf = (error: unknown): Problem => {
    const problem = toProblem(error);
    if (problem.status === 500) failures.add(asRelayError(error, 'relay-failed'), 'a message failed');
    return problem;
  };

  const submitBatch = async <T>(
    items: readonly T[],
    address: string,
    bytesOf: (item: T) => Uint8Array,
  ): Promise<(Receipt | Problem)[]> => {
    const { maxBatch } = limits;
    if (items.length > maxBatch)
      throw new RelayError('batch-too-large', { details: { size: items.length, max: maxBatch } });
    const submitted = items.map(async (item, index) => {
      // The request was charged as one message, and by its bytes.
      if (index > 0)
        counted(() => {
          pipeline.admit(address);
        });
      return pipeline.submit(bytesOf(item), { address, isPaid: true });
    });
    return Promise.all(submitted.map((receipt) => receipt.catch(problemOf)));
  };

  server.post('/v1/messages', async (request, reply) => {
    const { body, ip: address } = request;
    if (Array.isArray(body)) return { results: await submitBatch(body as unknown[], address, fromJson) };
    if (body instanceof Uint8Array && isBatch(request.headers['content-type'])) {
      const messages = counted(() => decodeMessageBatch(body, limits.maxBatch));
      return { results: await submitBatch(messages, address, (message) => message) };
    }
    const bytes = body instanceof Uint8Array ? body : fromJson(body);
    const receipt = await pipeline.submit(bytes, { address, isPaid: true });
    return reply.code(statusOf(receipt)).send(receipt);
  });

  server.post('/v1/forward', async (request, reply) => {
    const { hops, signedEnvelope } = counted(() => decodeForwarded(octets(request)));
    const receipt = await pipeline.submit(signedEnvelope, { address: request.ip, hops, isPaid: true });
    return reply.code(statusOf(receipt)).send(receipt);
  });
}

function octets({ body, headers }: FastifyRequest): Uint8Array {
  if (body instanceof Uint8Array && !isBatch(headers['content-type'])) return body;
  throw new RelayError('bad-request', { details: { reason: 'it must be application/octet-stream' } });
}

/** 202: the relay has it and the recipient not yet. */
function statusOf({ status }: Receipt): number {
  return status === 'stored' || status === 'forwarded' ? 202 : 200;
}
