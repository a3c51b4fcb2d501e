import {
  connect,
  credsAuthenticator,
  nkeyAuthenticator,
  usernamePasswordAuthenticator,
  type Authenticator,
  type NatsConnection,
} from '@nats-io/transport-node';
import { asRelayError, RelayError } from '../../errors/index.ts';

export interface NatsOptions {
  /** `nats://HOST:PORT` or `tls://HOST:PORT`; further nodes of the cluster are learnt from the one that answers. */
  readonly servers: readonly string[];
  /** Content of a .creds file (JWT and seed), an nkey seed alone, or `USER:PASSWORD`. */
  readonly credentials?: Uint8Array;
  /** PEM. `ca`: who signed the server's certificate, where that is not a public authority; the others: our own. */
  readonly tls?: { readonly ca?: string; readonly cert?: string; readonly key?: string };
  /** Time for the first connection, ms. Default 10 000. */
  readonly connectTimeoutMs?: number;
}

const defaultConnectTimeoutMs = 10_000;
const pingIntervalMs = 10_000;
const pauseMs = 250;
// Both kinds of batches and times to live of single messages; docs/jetstream.md says what they are for.
const oldest = [2, 14] as const;

/** Connects, and comes back for ever after. Throws nats-failed. */
export async function connectNats(options: NatsOptions): Promise<NatsConnection> {
  const { servers, credentials, tls, connectTimeoutMs: timeout = defaultConnectTimeoutMs } = options;
  const details = { servers: servers.join(', ') };
  const mustEncrypt = tls !== undefined || servers.some((server) => server.startsWith('tls://'));
  try {
    checkServers(servers);
    const connection = await connect({
      servers: [...servers],
      ...(credentials !== undefined && { authenticator: authenticatorOf(credentials) }),
      ...(mustEncrypt && { tls: { ...tls } }),
      name: 'khala-relay',
      timeout,
      maxReconnectAttempts: -1,
      // Of a server that does not know its accounts yet: it may the next time.
      ignoreAuthErrorAbort: true,
      reconnectTimeWait: pauseMs,
      pingInterval: pingIntervalMs,
    });
    const reason = unfit(connection, mustEncrypt);
    if (reason === undefined) return connection;
    await connection.close();
    throw new RelayError('nats-failed', { details: { ...details, reason } });
  } catch (error) {
    throw asRelayError(error, 'nats-failed', details);
  }
}

// A secret in a URL is seen by whoever lists processes.
function checkServers(servers: readonly string[]): void {
  const given = servers.find((server) => !/^(nats|tls):\/\/[^\s/@?#]+$/.test(server));
  if (given === undefined && servers.length > 0) return;
  const reason =
    given === undefined ? 'no server is given' : 'a server is nats://HOST:PORT or tls://HOST:PORT, no more';
  throw new RelayError('nats-failed', { details: { servers: servers.map(withoutSecret).join(', '), reason } });
}

function withoutSecret(server: string): string {
  return server.replace(/\/\/[^@]*@/, '//…@');
}

function authenticatorOf(credentials: Uint8Array): Authenticator {
  const text = new TextDecoder().decode(credentials).trim();
  if (/^SU[A-Z2-7]+$/.test(text)) return nkeyAuthenticator(new TextEncoder().encode(text));
  const [, user, password] = /^([^\s:]+):(\S+)$/.exec(text) ?? [];
  return user === undefined ? credsAuthenticator(credentials) : usernamePasswordAuthenticator(user, password);
}

function unfit({ info }: NatsConnection, mustEncrypt: boolean): string | undefined {
  const [major = 0, minor = 0] = (info?.version ?? '').split('.').map(Number);
  if (major < oldest[0] || (major === oldest[0] && minor < oldest[1]))
    return `it is nats-server ${info?.version ?? 'unknown'}, and ${oldest.join('.')} is the oldest that will do`;
  if (info?.jetstream !== true) return 'JetStream is not enabled there';
  if (mustEncrypt && info.tls_required !== true && info.tls_available !== true) return 'it does not speak TLS';
  return undefined;
}
