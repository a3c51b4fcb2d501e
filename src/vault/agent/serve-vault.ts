import { createServer, type Server, type Socket } from 'node:net';
import { unlink } from 'node:fs/promises';
import { fromHex } from '../../codec/index.ts';
import { asRelayError } from '../../errors/index.ts';
import type { FileLock } from '../../store/index.ts';
import type { Vault } from '../vault.ts';
import { ClientSession } from './client-session.ts';
import { Policy, type AgentPolicy } from './policy.ts';
import { claimSocket, restrict } from './socket-path.ts';
import { peerUserReader } from './system-calls.ts';

export interface ServeVaultOptions {
  /** The agent closes it when it stops. */
  readonly vault: Vault;
  /** Path of the Unix socket. */
  readonly socket: string;
  /** Folder for the entity's cursors and queues, which clients use where their user names none. */
  readonly dataPath: string;
  readonly policy?: AgentPolicy;
  /** Default Date.now. */
  readonly now?: () => number;
}

export interface VaultAgent extends AsyncDisposable {
  readonly socket: string;
  /** Resolves when the agent has stopped: by `stop`, or because nobody asked for so long. */
  readonly stopped: Promise<'stopped' | 'idle'>;
  /** Cuts all clients off, closes the vault and removes the socket. Idempotent. */
  stop(): Promise<void>;
}

const maxClients = 64;

/**
 * Holds an unlocked vault for other processes of the same user: they can use it and never see a secret of it. Throws
 * agent-socket-exposed, agent-running, bad-value; the vault stays the caller's then.
 */
export async function serveVault(options: ServeVaultOptions): Promise<VaultAgent> {
  const { policy = {}, now = Date.now } = options;
  const checked = new Policy(policy, now);
  const peerUser = await peerUserReader();
  const { path, lock } = await claimSocket(options.socket);
  const agent = new Agent(options, path, lock, checked, peerUser);
  try {
    await agent.listen();
  } catch (error) {
    await lock.release();
    throw asRelayError(error, 'agent-gone', { path });
  }
  return agent;
}

class Agent implements VaultAgent {
  readonly socket: string;
  readonly stopped: Promise<'stopped' | 'idle'>;
  readonly #vault: Vault;
  readonly #lock: FileLock;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #idleMs: number | undefined;
  #idle: ReturnType<typeof setTimeout> | undefined;
  #stopping: Promise<void> | undefined;
  #onStopped: (why: 'stopped' | 'idle') => void = () => undefined;

  constructor(
    { vault, dataPath, policy = {} }: ServeVaultOptions,
    path: string,
    lock: FileLock,
    checked: Policy,
    peerUser: ((socket: Socket) => number | undefined) | undefined,
  ) {
    this.socket = path;
    this.#vault = vault;
    this.#lock = lock;
    this.#idleMs = policy.idleLockMs;
    this.stopped = new Promise((resolve) => (this.#onStopped = resolve));
    const facts = { identity: fromHex(vault.identity), dataPath };
    this.#server = createServer((socket) => {
      if (peerUser !== undefined && !isOwner(peerUser(socket))) {
        socket.destroy();
        return;
      }
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
      new ClientSession(socket, { vault, facts, policy: checked, onRequest: () => this.#busy() });
    });
    this.#server.maxConnections = maxClients;
  }

  async listen(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(this.socket, resolve);
    });
    await restrict(this.socket);
    this.#busy();
  }

  stop(): Promise<void> {
    return this.#stop('stopped');
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  #stop(why: 'stopped' | 'idle'): Promise<void> {
    this.#stopping ??= (async () => {
      clearTimeout(this.#idle);
      for (const socket of this.#sockets) socket.destroy();
      await new Promise((resolve) => this.#server.close(resolve));
      await this.#vault.close();
      await unlink(this.socket).catch(() => undefined);
      await this.#lock.release();
      this.#onStopped(why);
    })();
    return this.#stopping;
  }

  /** Somebody asked: the time to the lock begins anew. */
  #busy(): void {
    if (this.#idleMs === undefined) return;
    if (this.#idle === undefined) this.#idle = setTimeout(() => void this.#stop('idle'), this.#idleMs).unref();
    else this.#idle.refresh();
  }
}

/** The agent's own user, or root, who can read its memory anyway. An unknown one is left to the modes of the files. */
function isOwner(uid: number | undefined): boolean {
  return uid === undefined || uid === 0 || uid === process.getuid?.();
}
