import type { CatalogueEntry } from './entry.ts';

export const relayErrors = {
  'signer-mismatch': {
    message: 'The envelope names {claimed} as its sender, but {proven} signed it.',
    remedy: 'Sign with the identity that the header names.',
  },
  'off-chain-only-v1': {
    message: 'Only version 1 envelopes of a worker travel off chain: {reason}.',
    remedy: 'Seal with suite v1 as a worker, or send on chain.',
  },
  'envelope-too-large': {
    message: 'The message has {size} bytes; {max} are taken.',
    remedy: 'Send less in one message, or raise the limit of the relay.',
  },
  'batch-too-large': {
    message: 'The batch has {size} messages; {max} are taken.',
    remedy: 'Send smaller batches.',
  },
  'recipient-not-served': {
    message: 'This relay does not take messages for {recipient}.',
    remedy: "Send to an endpoint that is on chain for the recipient, or add the recipient to this relay's list.",
  },
  'recipient-unreachable': {
    message: 'There is no usable endpoint for {recipient}: {reason}.',
    remedy: 'Send on chain, or ask the recipient to publish an endpoint that can be reached.',
  },
  'sender-refused': {
    message: 'This relay takes nothing from {identity}: {reason}.',
    remedy: 'Ask whoever runs the relay, or send another way.',
  },
  'unknown-message': {
    message: 'No message {messageId} to {to} is known here.',
    remedy: 'Ask where the message was stored, within a day; send it again where it may be lost.',
  },
  'delivery-untold': {
    message: 'It is not told whether the message was delivered: {reason}.',
    remedy: "Ask for the recipient's own word that it has read the message.",
  },
  'mailbox-full': {
    message: 'The mailbox of {recipient} is full: {reason}.',
    remedy: 'Wait until the recipient has fetched its messages, or send on chain.',
  },
  'reply-boxes-full': {
    message: 'There are answers of {sender} in {max} reply boxes, and none of them can make room now.',
    remedy: 'Ask again later; whoever runs the relay may raise --limit maxReplyBoxes.',
  },
  'mail-store-failed': {
    message: 'The mail store could not {action}: {reason}.',
    remedy: 'Check disk space and permissions of the data directory; nothing that was acknowledged is affected.',
  },
  'nats-failed': {
    message: 'NATS at {servers} can not be used: {reason}.',
    remedy: 'Check the URLs, the credentials and that JetStream is on; docs/jetstream.md shows a configuration.',
  },
  'rate-limited': {
    message: 'Too many messages by {scope}; one more is taken in {retryAfterMs} ms.',
    remedy: 'Wait that long, then send again.',
  },
  'relay-busy': {
    message: 'The relay is at its limit of {what}.',
    remedy: 'Try again in a moment, or another endpoint.',
  },
  'relay-stopping': {
    message: 'The relay is stopping and takes no new messages.',
    remedy: 'Connect again in a moment, or try another endpoint.',
  },
  'relay-not-started': {
    message: 'The relay does not listen.',
    remedy: 'Await start() before using it.',
  },
  'listen-failed': {
    message: 'The relay can not listen on {address}: {reason}.',
    remedy: 'Choose a free port and an address of this machine.',
  },
  'tls-failed': {
    message: 'The certificate or its key can not be used: {reason}.',
    remedy: 'Give the certificate with its chain and the key that belongs to it, both as PEM.',
  },
  'login-refused': {
    message: 'The login of {identity} is refused: {reason}.',
    remedy: 'Ask for a new challenge and sign it for exactly the origin that was dialled.',
  },
  'challenge-expired': {
    message: 'The challenge that {identity} signed has expired.',
    remedy: 'Ask for a new challenge and answer it at once.',
  },
  'not-logged-in': {
    message: 'Only a recipient that has logged in may do this.',
    remedy: 'Answer a challenge first.',
  },
  'session-replaced': {
    message: 'Another connection has logged in as {identity}.',
    remedy: 'Run one receiver for an identity at a relay.',
  },
  'bad-frame': {
    message: 'The frame is refused: {reason}.',
    remedy: 'Speak the frames of docs/relay.md; the versions of client and relay may differ.',
  },
  'window-exceeded': {
    message: 'More than {window} requests were unanswered on one connection.',
    remedy: 'Wait for answers before sending more.',
  },
  'too-many-hops': {
    message: 'The message was forwarded {hops} times; {max} are taken.',
    remedy: 'Check the endpoints of the recipient: relays pass its messages around.',
  },
  'forward-loop': {
    message: 'The message {messageId} was forwarded by this relay before.',
    remedy: 'Check the endpoints of the recipient: relays pass its messages around.',
  },
  'endpoint-refused': {
    message: 'The endpoint "{endpoint}" is not followed: {reason}.',
    remedy: 'Publish a public http(s) or ws(s) URL, or allow private addresses where they are meant.',
  },
  'endpoint-failed': {
    message: 'The endpoint "{endpoint}" did not take the message: {reason}.',
    remedy: 'Try again later, another endpoint, or send on chain.',
  },
  'no-endpoint-answered': {
    message: 'None of {count} endpoints took the message; the last said: {reason}.',
    remedy: 'Try again later, or send on chain.',
  },
  'relay-connection-lost': {
    message: 'The connection to "{endpoint}" was lost: {reason}.',
    remedy: 'Send again; messages are idempotent.',
  },
  'relay-timeout': {
    message: '"{endpoint}" did not answer within {timeoutMs} ms.',
    remedy: 'Send again, or give more time; messages are idempotent.',
  },
  'request-timeout': {
    message: '{to} did not answer within {timeoutMs} ms.',
    remedy:
      'Ask again, give more time, or check that it runs: it says that it has read a message only with --acknowledge, and answers a call only with --on-invoke.',
  },
  'no-reply-address': {
    message: 'There is no place where {to} looks for an answer.',
    remedy: 'Answers go to workers and to clients with an identity, by a relay that both reach; accounts have none.',
  },
  'reply-undelivered': {
    message: 'The answer to {to} could not be left where it looks for it: {reason}.',
    remedy: 'Check that the relays of this entity are up; who asked may ask again.',
  },
  'relay-refused': {
    message: 'The relay "{endpoint}" answered {code}: {reason}',
    remedy: '{advice}',
  },
  'client-stopped': {
    message: 'The relay client was stopped.',
    remedy: 'Make a new one.',
  },
  'bad-request': {
    message: 'The request is refused: {reason}.',
    remedy: 'See /openapi.json for what this relay takes.',
  },
  'unsupported-media-type': {
    message: 'The body of the request is of a kind that this relay does not take.',
    remedy: 'Send application/octet-stream, application/vnd.khala-relay.batch or application/json; see /openapi.json.',
  },
  'method-not-allowed': {
    message: '{path} does not take {method}, but {allowed}.',
    remedy: 'See /openapi.json for what this relay offers.',
  },
  'upgrade-required': {
    message: 'There is a WebSocket at {path}.',
    remedy: 'Open it with a WebSocket client; docs/relay.md has its frames.',
  },
  'no-such-route': {
    message: 'There is nothing at {method} {path}.',
    remedy: 'See /openapi.json for what this relay offers.',
  },
  'relay-failed': {
    message: 'The relay failed unexpectedly: {reason}.',
    remedy: 'Try again; if it stays, report it with the log of the relay.',
  },
} as const satisfies Record<string, CatalogueEntry>;
