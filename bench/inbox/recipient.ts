/** Cheap Argon2: what it costs to open a vault is not what is measured. */
export const cheapKdf = { memory: 64, passes: 1, lanes: 1 };
export const passphrase = 'correct horse';
export const recipientVault = 'recipient';
