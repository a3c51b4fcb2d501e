/**
 * What each room of src/ may import from the others. Arrows point from faces to bytes, never back; eslint.config.mjs
 * holds it and test/package/import-graph.test.ts proves that there is no cycle.
 */
const bytes = ['errors', 'codec', 'signals'];
const secrets = [...bytes, 'crypto', 'vault'];
const services = [...secrets, 'chain', 'channel', 'store', 'worker-state', 'outbox', 'inbox'];

export const rooms = {
  errors: [],
  codec: ['errors'],
  signals: ['errors'],
  // What several rooms need of Node.
  node: [],
  crypto: [...bytes, 'node'],
  store: bytes,
  chain: bytes,
  // The ABI of ink! contracts: what an invocation's input is.
  contract: bytes,
  'dev-chain': [...bytes, 'node', 'crypto', 'store'],
  vault: [...bytes, 'crypto', 'store'],
  channel: [...secrets, 'store'],
  'worker-state': [...bytes, 'crypto', 'chain', 'store'],
  presence: [...secrets, 'chain', 'store', 'worker-state', 'relay'],
  outbox: [...secrets, 'chain', 'channel', 'store', 'worker-state'],
  inbox: [...secrets, 'chain', 'channel', 'store', 'worker-state'],
  relay: [...secrets, 'channel', 'store', 'worker-state', 'inbox', 'outbox'],
  web: [...services, 'relay'],
  cli: [...services, 'relay', 'contract', 'presence', 'dev-chain'],
};
