import { Worker } from 'node:worker_threads';

/**
 * Runs a module of khala-relay in a thread; `module` is its URL without the extension. What the thread prints is
 * dropped: stdout belongs to the one who runs the chain.
 */
export function spawnThread(name: string, module: URL, workerData?: unknown): Worker {
  const options = { name, workerData, stdout: true, stderr: true };
  const thread = import.meta.url.endsWith('.ts')
    ? new Worker(fromSources(`${module.href}.ts`), { ...options, eval: true })
    : new Worker(new URL(`${module.href}.js`), options);
  thread.stdout.resume();
  thread.stderr.resume();
  return thread;
}

/** The loader for TypeScript that this thread runs under does not reach into new ones. */
function fromSources(url: string): string {
  const loader = import.meta.resolve('tsx/esm/api');
  const [quotedLoader, quotedUrl] = [JSON.stringify(loader), JSON.stringify(url)];
  return `import(${quotedLoader}).then(({ register }) => { register(); return import(${quotedUrl}); })`;
}
