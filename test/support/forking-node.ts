import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startRealNode, type RealNode } from './real-node.ts';

/**
 * A real node whose blocks can be taken back: it seals one for each extrinsic and finalizes none, and what it has stored at one
 * point can be brought back later. Whoever follows its URL then sees a fork of the blocks since.
 */
export class ForkingNode implements AsyncDisposable {
  readonly ws: string;
  readonly #folder: string;
  #node: RealNode;

  private constructor(folder: string, node: RealNode) {
    this.#folder = folder;
    this.#node = node;
    this.ws = node.ws;
  }

  static async start(): Promise<ForkingNode> {
    const folder = await mkdtemp(join(tmpdir(), 'khala-fork-'));
    try {
      return new ForkingNode(folder, await startRealNode({ basePath: join(folder, 'present') }));
    } catch (error) {
      await rm(folder, { recursive: true, force: true });
      throw error;
    }
  }

  /** Keeps the chain as it is now. The node is away meanwhile: what it has stored is whole only once it has ended. */
  async keep(): Promise<void> {
    await this.#node.stop();
    await this.#put('kept', 'present');
  }

  /** Comes back with the chain that was kept, under the same URL: all blocks since are gone. */
  async goBack(): Promise<void> {
    await this.#node.kill();
    await this.#put('present', 'kept');
  }

  /** Ends it and starts it on what it has stored. */
  async restart(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    await (signal === 'SIGTERM' ? this.#node.stop() : this.#node.kill());
    await this.#start();
  }

  /** The process stands still. */
  pause(): void {
    this.#node.pause();
  }

  resume(): void {
    this.#node.resume();
  }

  async #put(to: string, from: string): Promise<void> {
    const target = join(this.#folder, to);
    await rm(target, { recursive: true, force: true });
    await cp(join(this.#folder, from), target, { recursive: true });
    await this.#start();
  }

  async #start(): Promise<void> {
    this.#node = await startRealNode({ basePath: join(this.#folder, 'present'), port: this.#node.port });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#node.stop();
    await rm(this.#folder, { recursive: true, force: true });
  }
}
