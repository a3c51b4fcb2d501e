// Builds the dev runtime and writes runtime/artifacts/: the WASM in two layouts, the raw chain spec and their hashes.
//   node scripts/build-runtime.mjs           builds and writes
//   node scripts/build-runtime.mjs --check   builds a copy of the sources in a temporary folder and compares with what is there
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { runtimeSourceHash } from './runtime-source-hash.mjs';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const RUNTIME = join(ROOT, 'runtime');
const ARTIFACTS = join(RUNTIME, 'artifacts');
const TARGET = 'wasm32v1-none';
const PRESET = 'development';
/** The toolchain of the Debian packages; RUSTC and CARGO name another one. */
const RUSTC = process.env.RUSTC ?? '/usr/bin/rustc';
const CARGO = process.env.CARGO ?? '/usr/bin/cargo';
const PACKAGES = 'rustc-web cargo-web rust-web-src lld';

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

class BuildError extends Error {}

const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex');
const hex = (bytes) => `0x${Buffer.from(bytes).toString('hex')}`;

// --- Toolchain ---

const output = (command, args) => {
  const { status, stdout } = spawnSync(command, args, { encoding: 'utf8' });
  return status === 0 ? stdout.trim() : undefined;
};

const checkTools = () => {
  const toolchain = output(RUSTC, ['--version']);
  const sysroot = output(RUSTC, ['--print', 'sysroot']);
  const sources = sysroot && join(sysroot, 'lib/rustlib/src/rust/library/Cargo.toml');
  const missing = [
    !toolchain && `the compiler (${RUSTC})`,
    !output(CARGO, ['--version']) && `cargo (${CARGO})`,
    !(sources && existsSync(sources)) && 'the sources of the standard library',
    !output('wasm-ld', ['--version']) && 'the linker wasm-ld',
  ].filter(Boolean);
  if (missing.length > 0) {
    throw new BuildError(`Missing: ${missing.join(', ')}. On Debian: apt-get install ${PACKAGES}`);
  }
  return toolchain;
};

// --- WASM ---

const cargoEnv = () => {
  const env = { ...process.env, RUSTC, RUSTC_BOOTSTRAP: '1' };
  // Flags come from runtime/.cargo/config.toml and from here, not from whoever runs this.
  for (const name of ['RUSTFLAGS', 'CARGO_ENCODED_RUSTFLAGS', 'CARGO_TARGET_DIR', 'CARGO_BUILD_TARGET'])
    delete env[name];
  return env;
};

/** The folders that cargo unpacks dependencies into; their names tell the registry they came from. */
const dependencyFolders = (folder) => {
  const args = ['metadata', '--locked', '--format-version', '1', '--filter-platform', TARGET];
  const options = { cwd: folder, env: cargoEnv(), encoding: 'utf8', maxBuffer: 2 ** 28 };
  const { packages } = JSON.parse(execFileSync(CARGO, args, options));
  const ofRegistry = packages.filter(({ source }) => source?.startsWith('registry+'));
  return [...new Set(ofRegistry.map(({ manifest_path }) => dirname(dirname(manifest_path))))];
};

/** No folder and no registry gets into the WASM: panics name files as crates/NAME-VERSION/…, src/… or pallets/…. */
const withoutPaths = (folder) => {
  const remap = dependencyFolders(folder).map((path) => `--remap-path-prefix=${path}=crates`);
  const configs = ['profile.release.trim-paths="all"', `target.${TARGET}.rustflags=${JSON.stringify(remap)}`];
  return ['-Z', 'trim-paths', ...configs.flatMap((config) => ['--config', config])];
};

const compile = async (folder, features) => {
  const what = ['rustc', '--lib', '--crate-type', 'cdylib', '--no-default-features', '--features', features.join(',')];
  const how = ['--release', '--locked', '--target', TARGET, '--target-dir', 'target', '-Z', 'build-std=core,alloc'];
  const args = [...what, ...how, ...withoutPaths(folder)];
  execFileSync(CARGO, args, { cwd: folder, env: cargoEnv(), stdio: ['ignore', 'inherit', 'inherit'] });
  return readFile(join(folder, 'target', TARGET, 'release/khala_dev_runtime.wasm'));
};

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

const build = async (folder, toolchain) => {
  const legacy = await compile(folder, ['legacy-worker-info']);
  const wasm = await compile(folder, []);
  const spec = await chainSpec(wasm);
  const hashes = {
    algorithm: 'sha256',
    sources: await runtimeSourceHash(ROOT),
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
};

const write = async (artifacts) => {
  await mkdir(ARTIFACTS, { recursive: true });
  for (const [name, content] of Object.entries(artifacts)) {
    await writeFile(join(ARTIFACTS, name), content);
    console.log(`${sha256(content)}  ${name}  ${content.length} bytes`);
  }
};

const compare = async (artifacts) => {
  const differing = [];
  for (const [name, content] of Object.entries(artifacts)) {
    const committed = await readFile(join(ARTIFACTS, name)).catch(() => Buffer.alloc(0));
    const same = committed.equals(content);
    console.log(`${same ? 'same' : 'DIFFERENT'}  ${name}  ${sha256(content)}`);
    if (!same) differing.push(name);
  }
  if (differing.length > 0) throw new BuildError(`A rebuild gave other bytes: ${differing.join(', ')}`);
};

const check = async (toolchain) => {
  const copy = await mkdtemp(join(tmpdir(), 'khala-runtime-'));
  try {
    const wanted = (path) => !['target', 'artifacts'].includes(basename(path));
    await cp(RUNTIME, join(copy, 'runtime'), { recursive: true, filter: wanted });
    await compare(await build(join(copy, 'runtime'), toolchain), toolchain);
  } finally {
    await rm(copy, { recursive: true, force: true });
  }
};

const main = async (options) => {
  const unknown = options.filter((option) => option !== '--check');
  if (unknown.length > 0) throw new BuildError(`Unknown: ${unknown.join(' ')}. The only option is --check`);
  const toolchain = checkTools();
  if (options.includes('--check')) await check(toolchain);
  else await write(await build(RUNTIME, toolchain));
};

try {
  await main(process.argv.slice(2));
} catch (error) {
  // A failed compiler run has said why itself.
  console.error(error instanceof BuildError ? error.message : error);
  process.exitCode = 1;
}
