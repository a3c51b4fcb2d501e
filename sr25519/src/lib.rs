//! sr25519 with the signing context of Substrate, for a host that can only pass numbers and write into memory.
//!
//! The host asks for room with `reserve`, writes a request there, calls an operation, and reads the answer where the request
//! stood. Requests are read as far as they are there and never trusted: whatever does not decode is answered with "no".
//! An operation overwrites what it used, and keeps nothing but decoded public keys.
#![no_std]

extern crate alloc;

#[cfg(feature = "batch")]
mod batch;
mod known_keys;
mod memory;
#[cfg(feature = "portable")]
mod portable;

use alloc::vec::Vec;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use schnorrkel::{context::attach_rng, signing_context, PublicKey, SecretKey, Signature};

const CONTEXT: &[u8] = b"substrate";
const NO: u32 = 0;
const YES: u32 = 1;

/// Takes bytes from the front of a request.
struct Request<'a>(&'a [u8]);

impl<'a> Request<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        if length > self.0.len() {
            return None;
        }
        let (taken, rest) = self.0.split_at(length);
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    #[cfg(feature = "batch")]
    fn length(&mut self) -> Option<usize> {
        self.array().map(|bytes| u32::from_le_bytes(bytes) as usize)
    }
}

/// Room for a request of `length` bytes; null where there is not that much. Before every operation: it forgets its request.
#[no_mangle]
pub extern "C" fn reserve(length: usize) -> *mut u8 {
    memory::reserve(length)
}

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

fn is_valid(public: &PublicKey, signature: &Signature, message: &[u8]) -> bool {
    public.verify(signing_context(CONTEXT).bytes(message), signature).is_ok()
}

/// Runs an operation on the request; what it gives is written over the request.
fn answer(operation: impl FnOnce(Request) -> Option<Vec<u8>>) -> u32 {
    let done = operation(Request(memory::request()));
    let result = if done.is_some() { YES } else { NO };
    memory::finish(done.as_deref().unwrap_or(&[]));
    result
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    core::arch::wasm32::unreachable()
}
