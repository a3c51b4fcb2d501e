// The hash of everything that goes into the build of a crate: it tells, without Rust, whether its committed WASM is stale.
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';

/** Folders whose content is a product, not a source. */
const PRODUCTS = new Set(['target', 'artifacts']);
/** What the build of the WASM reads. Tests don't go into it. */
const isSource = (path) =>
  (path.endsWith('.rs') && !/\/(mock|tests)(\.rs|\/)/.test(path)) ||
  /(^|\/)Cargo\.(toml|lock)$/.test(path) ||
  path === '.cargo/config.toml';

const filesBelow = async (folder, root = folder) => {
  const entries = await readdir(folder, { withFileTypes: true });
  const nested = entries.map((entry) => {
    const path = join(folder, entry.name);
    if (!entry.isDirectory()) return [relative(root, path).split(sep).join('/')];
    return PRODUCTS.has(entry.name) ? [] : filesBelow(path, root);
  });
  return (await Promise.all(nested)).flat();
};

/**
 * SHA-256 over path and content of every source of a crate, in the order of their paths: for each the path, a zero byte, the
 * content's length in decimal, a zero byte and the content.
 * @param {string} folder the crate's folder
 * @returns {Promise<string>} 64 hex digits, without 0x
 */
export const sourceHash = async (folder) => {
  const paths = (await filesBelow(folder)).filter(isSource).sort((a, b) => (a < b ? -1 : 1));
  const hash = createHash('sha256');
  for (const path of paths) {
    const content = await readFile(join(folder, path));
    hash.update(`${path}\0${content.length}\0`).update(content);
  }
  return hash.digest('hex');
};
