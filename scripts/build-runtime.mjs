// Builds the dev runtime and writes runtime/artifacts/: the WASM in two layouts, the raw chain spec and their hashes.
//   node scripts/build-runtime.mjs           builds and writes
//   node scripts/build-runtime.mjs --check   builds a copy of the sources in a temporary folder and compares with what is there
import { inRoot } from './lib/root.mjs';
import { buildCrate, BuildError, compile, sha256 } from './lib/rust.mjs';
import { sourceHash } from './lib/source-hash.mjs';

const LIBRARY = 'khala_dev_runtime';
const PRESET = 'development';
/** All of the chain spec but its genesis. A real node asks for `relay_chain` and `para_id`. */
const SPEC = {
  name: 'Khala dev',
  id: 'khala_dev',
  chainType: 'Development',
  bootNodes: [],
  telemetryEndpoints: null,
  protocolId: null,
  properties: { ss58Format: 30, tokenDecimals: 12, tokenSymbol: 'PHA' },
  relay_chain: 'dev',
  para_id: 2004,
  codeSubstitutes: {},
};

const hex = (bytes) => `0x${Buffer.from(bytes).toString('hex')}`;

// --- Genesis ---

/** SCALE: a length below 2^14 and the bytes. */
const encodeBytes = (bytes) => {
  const prefix = bytes.length < 64 ? [bytes.length << 2] : [((bytes.length << 2) & 0xff) | 1, bytes.length >> 6];
  if (bytes.length >= 1 << 14) throw new BuildError('The genesis configuration is longer than 16 KiB');
  return Buffer.concat([Buffer.from(prefix), bytes]);
};

/** SCALE: Option of bytes. */
const decodeOptionalBytes = (bytes) => {
  if (bytes[0] !== 1) return undefined;
  const lengthBytes = [1, 2, 4][bytes[1] & 3];
  const length = bytes.readUIntLE(1, lengthBytes) >>> 2;
  return bytes.subarray(1 + lengthBytes, 1 + lengthBytes + length);
};

const parseExactly = (text) => {
  const value = JSON.parse(text);
  if (JSON.stringify(value) !== text) throw new BuildError('A number of the genesis preset is too big for JavaScript');
  return value;
};

/** RFC 7396. */
const merge = (target, patch) => {
  if (patch === null || typeof patch !== 'object' || Array.isArray(patch)) return patch;
  const merged = { ...target };
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete merged[key];
    else merged[key] = merge(merged[key] ?? {}, value);
  }
  return merged;
};

/** Asks the runtime itself for the state that its preset stands for. */
const genesisState = async (wasm) => {
  process.env.LOG_LEVEL ??= 'error';
  const { runTask, destroyWorker } = await import('@acala-network/chopsticks-core');
  const nothing = async () => undefined;
  const emptyState = {
    getStorage: nothing,
    getNextKey: nothing,
    offchainGetStorage: nothing,
    offchainTimestamp: async () => 0,
    offchainRandomSeed: nothing,
    offchainSubmitTransaction: async () => false,
  };
  const call = async (method, argument) => {
    const task = {
      wasm: hex(wasm),
      calls: [[method, [hex(argument)]]],
      mockSignatureHost: false,
      allowUnresolvedImports: false,
      runtimeLogLevel: 0,
    };
    const response = await runTask(task, emptyState);
    if (!('Call' in response)) throw new BuildError(`${method} failed: ${JSON.stringify(response)}`);
    return { result: Buffer.from(response.Call.result.slice(2), 'hex'), storage: response.Call.storageDiff };
  };
  const preset = async (id) => {
    const argument = id ? Buffer.concat([Buffer.from([1]), encodeBytes(Buffer.from(id))]) : Buffer.from([0]);
    const json = decodeOptionalBytes((await call('GenesisBuilder_get_preset', argument)).result);
    if (!json) throw new BuildError(`The runtime has no genesis preset ${id ?? '(default)'}`);
    return parseExactly(json.toString('utf8'));
  };
  try {
    const config = JSON.stringify(merge(await preset(), await preset(PRESET)));
    const { result, storage } = await call('GenesisBuilder_build_state', encodeBytes(Buffer.from(config)));
    if (result[0] !== 0)
      throw new BuildError(`GenesisBuilder_build_state refused: ${result.subarray(2).toString('utf8')}`);
    return storage.filter(([, value]) => value !== null);
  } finally {
    await destroyWorker();
  }
};

const chainSpec = async (wasm) => {
  const entries = [...(await genesisState(wasm)), [hex(Buffer.from(':code')), hex(wasm)]];
  const top = Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
  return `${JSON.stringify({ ...SPEC, genesis: { raw: { top, childrenDefault: {} } } }, null, 2)}\n`;
};

// --- Artifacts ---

await buildCrate('runtime', async (folder, toolchain) => {
  const legacy = await compile(folder, LIBRARY, ['legacy-worker-info']);
  const wasm = await compile(folder, LIBRARY);
  const spec = await chainSpec(wasm);
  const hashes = {
    algorithm: 'sha256',
    sources: await sourceHash(inRoot('runtime')),
    wasm: sha256(wasm),
    spec: sha256(spec),
    legacyWasm: sha256(legacy),
    toolchain,
  };
  return {
    'khala-dev.wasm': wasm,
    'khala-dev-legacy.wasm': legacy,
    'khala-dev.spec.json': Buffer.from(spec),
    'source-hash.json': Buffer.from(`${JSON.stringify(hashes, null, 2)}\n`),
  };
});
