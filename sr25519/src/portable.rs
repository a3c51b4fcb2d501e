//! What a host without cryptography of its own needs beside signatures: agreement, the cipher, and hashes other than BLAKE2b.

use crate::answer;
use aes_gcm::{
    aead::{AeadInPlace, KeyInit},
    Aes256Gcm,
};
use alloc::vec::Vec;
use curve25519_dalek::{ristretto::CompressedRistretto, scalar::Scalar, traits::IsIdentity};
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha512};
use zeroize::Zeroize;

const TAG: usize = 16;

/// 32 bytes → whether they are the canonical encoding of another point than the neutral element.
#[no_mangle]
pub extern "C" fn is_point() -> u32 {
    answer(|mut request| {
        let point = CompressedRistretto(request.array()?).decompress()?;
        (!point.is_identity()).then(Vec::new)
    })
}

/// Canonical scalar (32), point (32) → their product (32).
#[no_mangle]
pub extern "C" fn multiply() -> u32 {
    answer(|mut request| {
        let mut scalar = Option::<Scalar>::from(Scalar::from_canonical_bytes(request.array()?))?;
        let point = CompressedRistretto(request.array()?).decompress()?;
        let product = scalar * point;
        scalar.zeroize();
        Some(product.compress().to_bytes().to_vec())
    })
}

/// Data of this length → SHA-512 (64).
#[no_mangle]
pub extern "C" fn sha512(length: usize) -> u32 {
    answer(|mut request| Some(Sha512::digest(request.take(length)?).to_vec()))
}

/// Key and data of these lengths → HMAC-SHA512 (64).
#[no_mangle]
pub extern "C" fn hmac_sha512(key: usize, length: usize) -> u32 {
    answer(|mut request| {
        let mut mac = <Hmac<Sha512> as Mac>::new_from_slice(request.take(key)?).ok()?;
        mac.update(request.take(length)?);
        Some(mac.finalize().into_bytes().to_vec())
    })
}

/// Key (32), IV (12), additional data and plaintext of these lengths → ciphertext and tag, 16 bytes more than the plaintext.
#[no_mangle]
pub extern "C" fn seal_aes256_gcm(additional: usize, length: usize) -> u32 {
    answer(|mut request| {
        let cipher = Aes256Gcm::new_from_slice(request.take(32)?).ok()?;
        let iv: [u8; 12] = request.array()?;
        let additional = request.take(additional)?;
        let plaintext = request.take(length)?;
        let mut text = Vec::with_capacity(length + TAG);
        text.extend_from_slice(plaintext);
        let tag = cipher.encrypt_in_place_detached(&iv.into(), additional, &mut text).ok()?;
        text.extend_from_slice(&tag);
        Some(text)
    })
}

/// Key (32), IV (12), additional data and ciphertext with its tag, of these lengths → plaintext.
#[no_mangle]
pub extern "C" fn open_aes256_gcm(additional: usize, length: usize) -> u32 {
    answer(|mut request| {
        let cipher = Aes256Gcm::new_from_slice(request.take(32)?).ok()?;
        let iv: [u8; 12] = request.array()?;
        let additional = request.take(additional)?;
        let mut text = request.take(length.checked_sub(TAG)?)?.to_vec();
        let tag: [u8; TAG] = request.array()?;
        cipher.decrypt_in_place_detached(&iv.into(), additional, &mut text, &tag.into()).ok()?;
        Some(text)
    })
}
