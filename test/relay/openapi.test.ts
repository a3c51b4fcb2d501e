import assert from 'node:assert/strict';
import { assembleRelay, createBasis } from '../../src/relay/relay-assembly.ts';
import type { RelayOptions } from '../../src/relay/index.ts';
import { Cleanup, genesisHash } from './support.ts';

interface Operation {
  readonly responses: Readonly<Record<string, unknown>>;
}

describe('the OpenAPI document of a relay', () => {
  const cleanup = new Cleanup();
  afterEach(() => cleanup.run());

  /** Its routes, as the server and as the document has them. */
  const routesOf = async (more: Partial<RelayOptions>) => {
    const mailStore = await cleanup.store();
    const basis = createBasis({ genesisHash, mailStore, ...more }, () => true);
    const state = { ownUrls: () => [], isOwnOrigin: () => false, isRunning: () => true };
    const { server } = cleanup.add(await assembleRelay(basis, state), (parts) => parts.server.close());
    await server.ready();
    const printed = server.printRoutes({ commonPrefix: false }).matchAll(/(\/\S*) \(([A-Z, ]+)\)/g);
    const routes = [...printed].flatMap(([, path = '', methods = '']) =>
      methods.split(', ').map((one) => `${one} ${path}`),
    );
    const { body } = await server.inject('/openapi.json');
    const { paths } = JSON.parse(body) as { readonly paths: Record<string, Record<string, Operation>> };
    const operations = Object.entries(paths).flatMap(([path, of]) =>
      Object.entries(of).map(([method, operation]) => ({ name: `${method.toUpperCase()} ${path}`, operation })),
    );
    return { routes, operations };
  };

  for (const [what, more, has] of [
    ['a relay that hands nothing on', async () => ({}), { tunnel: false, metrics: true }],
    ['one that does', async () => ({ forwardStore: await cleanup.store() }), { tunnel: true, metrics: true }],
    [
      'one that tells its metrics elsewhere',
      async () => ({ metricsListen: { port: 0 } }),
      { tunnel: false, metrics: false },
    ],
  ] as const)
    it(`has each route and no other, with what else it may answer, of ${what}`, async () => {
      const { routes, operations } = await routesOf(await more());
      const names = operations.map(({ name }) => name);
      assert.deepEqual(names.toSorted(), routes.toSorted());
      const isThere = { tunnel: names.includes('GET /v1/tunnel'), metrics: names.includes('GET /metrics') };
      assert.deepEqual(isThere, has);
      for (const { name, operation } of operations) assert.ok('default' in operation.responses, name);
    });
});
