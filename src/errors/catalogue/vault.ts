import type { CatalogueEntry } from './entry.ts';

export const vaultErrors = {
  'vault-missing': {
    message: 'There is no vault at {path}.',
    remedy: 'Make one with khala-relay keys new --vault FILE, or check the path.',
    usage: true,
  },
  'vault-exists': {
    message: 'There is already a vault at {path}.',
    remedy: 'Choose another path; an existing vault is never overwritten.',
    usage: true,
  },
  'vault-io': {
    message: 'The vault {path} can not be read or written: {reason}.',
    remedy: 'Check the path, its permissions and the free space of the disk.',
  },
  'vault-exposed': {
    message: 'The vault {path} can be read or written by others (mode {mode}).',
    remedy: 'Run chmod 600 on it; if others had access, rotate its EcdhKey.',
  },
  'vault-foreign': {
    message: 'The file {path} is not a khala-relay vault.',
    remedy: 'Check the path.',
    usage: true,
  },
  'vault-too-new': {
    message: 'The vault {path} has format version {version}, which is newer than this program.',
    remedy: 'Update khala-relay.',
  },
  'vault-truncated': {
    message: 'The vault {path} is cut short: {actual} of {expected} bytes.',
    remedy: 'Restore it from its .bak copy or from a backup.',
  },
  'vault-corrupt': {
    message: 'The vault {path} is damaged: {reason}.',
    remedy: 'Restore it from its .bak copy or from a backup.',
  },
  'kept-open-failed': {
    message: 'What the vault kept does not open: it was altered, or kept by another vault or for another message.',
    remedy: 'Use the data folder of this very vault; send the message again.',
  },
  'fresh-keys-full': {
    message: '{count} keys made for one message each already wait for a reply.',
    remedy: 'Wait for replies or their timeouts, or send without waiting.',
  },
  'vault-hostile-parameters': {
    message: 'The vault {path} asks for more work than any genuine one: {reason}.',
    remedy: 'Do not use this file; it was not written by khala-relay.',
  },
  'wrong-passphrase': {
    message: 'The passphrase does not open the vault {path}.',
    remedy: 'Set KHALA_RELAY_PASSPHRASE to the passphrase that the vault was made with.',
    usage: true,
  },
  'wrong-sealer': {
    message: 'The vault {path} is sealed by {expected}, not by {actual}.',
    remedy: 'Open it with the sealer that it was made with.',
    usage: true,
  },
  'wrong-seal-key': {
    message: 'The key that the sealer gives does not open the vault {path}.',
    remedy: 'It was sealed by another app, another version of it or another device; open it there.',
  },
  'sealer-unavailable': {
    message: 'The sealer of the vault gives no key: {reason}.',
    remedy: 'Check that the guest agent runs and that this app may reach its socket.',
  },
  'bad-key-file': {
    message: 'The JSON is no sr25519 key that polkadot-js exported: {reason}.',
    remedy: 'Export the account again, as JSON, and give the whole file.',
    usage: true,
  },
  'wrong-key-file-password': {
    message: 'The password does not open the exported key.',
    remedy: 'Set KHALA_RELAY_IMPORT_PASSWORD to the password that was chosen for the export.',
    usage: true,
  },
  'vault-resealed': {
    message: 'The vault {path} was sealed anew, under another passphrase, since this process opened it.',
    remedy: 'Start this process again with the new passphrase.',
  },
  'weak-passphrase': {
    message: 'An empty passphrase protects nothing.',
    remedy: 'Set KHALA_RELAY_PASSPHRASE, or type a passphrase at the prompt.',
    usage: true,
  },
  'vault-closed': {
    message: 'The vault is closed.',
    remedy: 'Open it again.',
  },
  'unknown-epoch': {
    message: 'The vault has no EcdhKey of {epoch}.',
    remedy: 'Ask the sender to read WorkerState again and to send to the current key.',
  },
  'epoch-erased': {
    message: 'The EcdhKey of epoch {epoch}, to which the message is encrypted, has been erased.',
    remedy: 'Send again to the current key; the answer carries its record.',
  },
  'not-for-us': {
    message: 'The message is for {to}, not for this entity.',
    remedy: 'Send it to an endpoint of its recipient.',
  },
  'from-self': {
    message: 'Sender and recipient are the same entity.',
    remedy: 'Send to another entity.',
    usage: true,
  },
  'channel-exhausted': {
    message: 'The key of this channel has encrypted 2^32 messages, its limit.',
    remedy: 'Rotate the EcdhKey with khala-relay rotate.',
  },
} as const satisfies Record<string, CatalogueEntry>;
