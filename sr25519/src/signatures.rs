//! sr25519 with the signing context of Substrate.

use crate::{answer, known_keys};
use alloc::vec::Vec;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use schnorrkel::{context::attach_rng, signing_context, PublicKey, SecretKey, Signature};

pub const CONTEXT: &[u8] = b"substrate";

/// Secret key (64, canonical layout) → public key (32).
#[no_mangle]
pub extern "C" fn public_key() -> u32 {
    answer(|mut request| {
        let secret = SecretKey::from_bytes(request.take(64)?).ok()?;
        Some(secret.to_public().to_bytes().to_vec())
    })
}

/// Secret key (64), its public key (32), fresh random bytes (32), message → signature (64).
#[no_mangle]
pub extern "C" fn sign() -> u32 {
    answer(|mut request| {
        let secret = SecretKey::from_bytes(request.take(64)?).ok()?;
        let public = PublicKey::from_bytes(request.take(32)?).ok()?;
        let random = ChaCha20Rng::from_seed(request.array()?);
        let transcript = attach_rng(signing_context(CONTEXT).bytes(request.0), random);
        Some(secret.sign(transcript, &public).to_bytes().to_vec())
    })
}

/// Public key (32), signature (64), message → whether the signature is by that key.
#[no_mangle]
pub extern "C" fn verify() -> u32 {
    answer(|mut request| {
        let public = known_keys::decode(request.take(32)?)?;
        let signature = Signature::from_bytes(request.take(64)?).ok()?;
        is_valid(&public, &signature, request.0).then(Vec::new)
    })
}

pub fn is_valid(public: &PublicKey, signature: &Signature, message: &[u8]) -> bool {
    public.verify(signing_context(CONTEXT).bytes(message), signature).is_ok()
}
