// Builds a crate of this repository to WASM, the same bytes on every machine, and writes or compares what comes of it.
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { inRoot } from './root.mjs';

const TARGET = 'wasm32v1-none';
/** The toolchain of the Debian packages; RUSTC and CARGO name another one. */
const RUSTC = process.env.RUSTC ?? '/usr/bin/rustc';
const CARGO = process.env.CARGO ?? '/usr/bin/cargo';
const PACKAGES = 'rustc-web cargo-web rust-web-src lld';

/** What went wrong, in words for who runs the build. */
export class BuildError extends Error {}

export const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex');

const output = (command, args) => {
  const { status, stdout } = spawnSync(command, args, { encoding: 'utf8' });
  return status === 0 ? stdout.trim() : undefined;
};

/** The compiler's version. Throws where something is missing. */
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
  if (missing.length > 0)
    throw new BuildError(`Missing: ${missing.join(', ')}. On Debian: apt-get install ${PACKAGES}`);
  return toolchain;
};

const cargoEnv = () => {
  const env = { ...process.env, RUSTC, RUSTC_BOOTSTRAP: '1' };
  // Flags come from the crate's .cargo/config.toml and from here, not from whoever runs this.
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
const withoutPaths = (folder, profile) => {
  const remap = dependencyFolders(folder).map((path) => `--remap-path-prefix=${path}=crates`);
  const configs = [`profile.${profile}.trim-paths="all"`, `target.${TARGET}.rustflags=${JSON.stringify(remap)}`];
  return ['-Z', 'trim-paths', ...configs.flatMap((config) => ['--config', config])];
};

/** The WASM of the crate in `folder`, whose library has this name. `features` without the default ones. */
export const compile = async (folder, library, features = [], profile = 'release') => {
  const what = ['rustc', '--lib', '--crate-type', 'cdylib', '--no-default-features', '--features', features.join(',')];
  const how = [
    '--profile',
    profile,
    '--locked',
    '--target',
    TARGET,
    '--target-dir',
    'target',
    '-Z',
    'build-std=core,alloc',
  ];
  const args = [...what, ...how, ...withoutPaths(folder, profile)];
  execFileSync(CARGO, args, { cwd: folder, env: cargoEnv(), stdio: ['ignore', 'inherit', 'inherit'] });
  return readFile(join(folder, 'target', TARGET, profile, `${library}.wasm`));
};

const write = async (folder, artifacts) => {
  await mkdir(folder, { recursive: true });
  for (const [name, content] of Object.entries(artifacts)) {
    await writeFile(join(folder, name), content);
    console.log(`${sha256(content)}  ${name}  ${content.length} bytes`);
  }
};

const compare = async (folder, artifacts) => {
  const differing = [];
  for (const [name, content] of Object.entries(artifacts)) {
    const committed = await readFile(join(folder, name)).catch(() => Buffer.alloc(0));
    const same = committed.equals(content);
    console.log(`${same ? 'same' : 'DIFFERENT'}  ${name}  ${sha256(content)}`);
    if (!same) differing.push(name);
  }
  if (differing.length > 0) throw new BuildError(`A rebuild gave other bytes: ${differing.join(', ')}`);
};

/**
 * Builds a crate and writes its artifacts/ folder; with --check it builds a copy of the sources in a temporary folder and compares
 * with what is there.
 * @param {string} crate its folder in the repository
 * @param {(folder: string, toolchain: string) => Promise<Record<string, Buffer>>} build artifacts by file name
 */
export const buildCrate = async (crate, build) => {
  const folder = inRoot(crate);
  try {
    const options = process.argv.slice(2);
    const unknown = options.filter((option) => option !== '--check');
    if (unknown.length > 0) throw new BuildError(`Unknown: ${unknown.join(' ')}. The only option is --check`);
    const toolchain = checkTools();
    if (!options.includes('--check')) return await write(join(folder, 'artifacts'), await build(folder, toolchain));
    const copy = await mkdtemp(join(tmpdir(), 'khala-crate-'));
    try {
      const wanted = (path) => !['target', 'artifacts'].includes(basename(path));
      await cp(folder, join(copy, crate), { recursive: true, filter: wanted });
      await compare(join(folder, 'artifacts'), await build(join(copy, crate), toolchain));
    } finally {
      await rm(copy, { recursive: true, force: true });
    }
  } catch (error) {
    // A failed compiler run has said why itself.
    console.error(error instanceof BuildError ? error.message : error);
    process.exitCode = 1;
  }
};
