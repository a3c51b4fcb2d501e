import type { FastifyInstance } from 'fastify';
import type { Hex } from '../codec/index.ts';
import type { RelayLimits } from './limits.ts';
import type { Metrics } from './metrics.ts';
import { openApiDocument } from './openapi.ts';
import type { Readiness } from './readiness.ts';
import type { RelayDirectory } from './relay-options.ts';

export interface InfoRouteParts {
  readonly genesisHash: Hex;
  readonly identity: Hex | undefined;
  /** Base URLs under which clients reach this relay. */
  readonly publicUrls: () => readonly string[];
  readonly limits: RelayLimits;
  /** undefined: they are told elsewhere. */
  readonly metrics: Metrics | undefined;
  /** Whether /v1/tunnel is there. */
  readonly hasTunnels: boolean;
  readonly readiness: Readiness;
  readonly workerState: RelayDirectory | undefined;
}

/** What tells about the relay; nothing here changes anything. */
export function addInfoRoutes(server: FastifyInstance, parts: InfoRouteParts): void {
  const { genesisHash, identity, publicUrls, metrics, readiness, workerState } = parts;
  const { maxMessageBytes, maxBatch, maxBodyBytes, window, maxSkewMs } = parts.limits;
  const limits = { maxMessageBytes, maxBatch, maxBodyBytes, window, maxSkewMs };

  server.get('/v1/info', () => ({
    protocol: 1,
    genesisHash,
    ...(identity !== undefined && { identity }),
    publicUrls: publicUrls(),
    limits,
  }));
  server.get('/healthz', () => ({ status: 'ok' }));
  server.get('/readyz', async (_, reply) => {
    const ageMs = workerState?.ageMs?.();
    const seen = ageMs === undefined ? {} : { workerStateAgeMs: Math.max(0, Math.round(ageMs)) };
    const outcome = await readiness.check();
    if (outcome !== 'ready') return reply.code(503).send({ status: 'not ready', ...outcome, ...seen });
    if (ageMs === undefined || ageMs <= parts.limits.maxWorkerStateAgeMs) return { status: 'ready', ...seen };
    return reply.code(503).send({ status: 'not ready', reason: 'worker-state-failed', ...seen });
  });
  if (metrics !== undefined)
    server.get('/metrics', async (_, reply) => reply.type(metrics.contentType).send(await metrics.exposition()));
  const openApi = JSON.stringify(
    openApiDocument(limits, { hasTunnels: parts.hasTunnels, hasMetrics: metrics !== undefined }),
  );
  server.get('/openapi.json', (_, reply) => reply.type('application/json; charset=utf-8').send(openApi));
}
