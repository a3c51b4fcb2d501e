import type { RelayLimits } from './limits.ts';
import { batchResultSchema, healthSchema, infoSchema, messageSchema, problemSchema, receiptSchema } from './schemas.ts';

/** OpenAPI 3.1 of what the relay offers over HTTP; /v1/ws is in docs/relay.md. */
export function openApiDocument({ maxBatch, maxMessageBytes }: Pick<RelayLimits, 'maxBatch' | 'maxMessageBytes'>) {
  const octets = { schema: { type: 'string', format: 'binary', maxLength: maxMessageBytes } };
  return {
    openapi: '3.1.0',
    info: { title: 'khala-relay', version: '1', license: { name: 'Apache-2.0', identifier: 'Apache-2.0' } },
    paths: {
      '/v1/messages': {
        post: {
          summary: 'Takes one signed envelope or a batch; answers when it is durable; idempotent',
          requestBody: {
            required: true,
            content: {
              'application/octet-stream': octets,
              'application/json': {
                schema: { anyOf: [messageSchema, { type: 'array', items: messageSchema, maxItems: maxBatch }] },
              },
            },
          },
          responses: {
            200: json('Delivered or a duplicate; or the results of a batch', {
              anyOf: [receiptSchema, batchResultSchema],
            }),
            202: json('Stored or queued for another relay', receiptSchema),
            ...problems,
          },
        },
      },
      '/v1/forward': {
        post: {
          summary: 'Takes one Forwarded { hops: u8, signedEnvelope: Bytes } from another relay',
          requestBody: { required: true, content: { 'application/octet-stream': octets } },
          responses: {
            200: json('Delivered or a duplicate', receiptSchema),
            202: json('Stored or queued for another relay', receiptSchema),
            ...problems,
          },
        },
      },
      '/v1/info': { get: { summary: 'About this relay', responses: { 200: json('Info', infoSchema), ...problems } } },
      '/healthz': { get: { summary: 'Lives', responses: { 200: json('Yes', healthSchema), ...problems } } },
      '/readyz': {
        get: {
          summary: 'Takes messages',
          responses: { 200: json('Yes', healthSchema), 503: json('No', healthSchema), ...problems },
        },
      },
      '/metrics': {
        get: {
          summary: 'Prometheus text exposition',
          responses: {
            200: { description: 'Samples', content: { 'text/plain': { schema: { type: 'string' } } } },
            ...problems,
          },
        },
      },
    },
  };
}

const json = (description: string, schema: unknown) => ({ description, content: { 'application/json': { schema } } });

const problems = {
  default: { description: 'Refused', content: { 'application/problem+json': { schema: problemSchema } } },
};
