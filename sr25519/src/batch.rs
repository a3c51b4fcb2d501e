//! Verification of many signatures by one equation, as schnorrkel's `verify_batch_rng` has it, with two differences that a
//! relay is made of: the coefficients of one signer are added up before they cost a multiplication, however its
//! messages lie between others', and the coefficients are random bytes of the host alone. They need be nothing more than
//! unknown to whoever made the signatures (Bellare, Garay and Rabin, EUROCRYPT 1998, the small exponents test).

use crate::{
    answer, known_keys,
    signatures::{is_valid, CONTEXT},
};
use alloc::{collections::BTreeMap, vec::Vec};
use curve25519_dalek::{
    constants::RISTRETTO_BASEPOINT_POINT,
    ristretto::CompressedRistretto,
    scalar::Scalar,
    traits::{IsIdentity, VartimeMultiscalarMul},
    RistrettoPoint,
};
use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};
use schnorrkel::{context::SigningTranscript, signing_context, PublicKey, Signature};

/// Fresh random bytes (32), then for each message its length (u32), public key, signature and the message itself → one byte
/// each, 1 for a good signature. `count` of them are there.
///
/// All at once first, with random coefficients that nobody can know who made the signatures; where that fails, one by one.
#[no_mangle]
pub extern "C" fn verify_batch(count: usize) -> u32 {
    answer(|mut request| {
        let mut random = ChaCha20Rng::from_seed(request.array()?);
        let mut verdicts = Vec::with_capacity(count.min(request.0.len()));
        let mut places = Vec::new();
        let mut messages = Vec::new();
        let mut signatures = Vec::new();
        let mut keys = Vec::new();
        for place in 0..count {
            let length = request.length()?;
            let key = known_keys::decode(request.take(32)?);
            let signature = Signature::from_bytes(request.take(64)?);
            let message = request.take(length)?;
            verdicts.push(0);
            if let (Some(key), Ok(signature)) = (key, signature) {
                places.push(place);
                keys.push(key);
                signatures.push(signature);
                messages.push(message);
            }
        }
        let context = signing_context(CONTEXT);
        let items = (0..places.len()).map(|i| Signed {
            transcript: context.bytes(messages[i]),
            key: keys[i],
            signature: signatures[i],
        });
        let all_valid = places.len() > 1 && all_valid(items, &mut random);
        for (i, place) in places.into_iter().enumerate() {
            verdicts[place] = u8::from(all_valid || is_valid(&keys[i], &signatures[i], messages[i]));
        }
        Some(verdicts)
    })
}

/// One signature, what it was made over, and by whom.
struct Signed<T> {
    transcript: T,
    key: PublicKey,
    signature: Signature,
}

/// Whether all are valid, wrong once in 2^128 at most: Σ zᵢ·(sᵢ·B − Rᵢ − hᵢ·Aᵢ) = 0 with random zᵢ of 128 bits.
fn all_valid<T: SigningTranscript>(items: impl Iterator<Item = Signed<T>>, random: &mut impl RngCore) -> bool {
    let mut base = Scalar::ZERO;
    let mut signers: BTreeMap<[u8; 32], (Scalar, RistrettoPoint)> = BTreeMap::new();
    let mut coefficients = Vec::new();
    let mut commitments = Vec::new();
    for Signed { transcript, key, signature } in items {
        let (commitment, response) = parts(&signature);
        let mut bytes = [0; 16];
        random.fill_bytes(&mut bytes);
        let z = Scalar::from(u128::from_le_bytes(bytes));
        base += z * response;
        let (sum, _) = signers.entry(key.to_bytes()).or_insert((Scalar::ZERO, *key.as_point()));
        *sum += z * challenge(transcript, &key, &commitment);
        coefficients.push(z);
        commitments.push(commitment);
    }
    let points = commitments.iter().map(CompressedRistretto::decompress);
    let (sums, keys): (Vec<Scalar>, Vec<RistrettoPoint>) = signers.into_values().unzip();
    RistrettoPoint::optional_multiscalar_mul(
        coefficients.into_iter().chain(sums).chain([-base]),
        points.chain(keys.into_iter().map(Some)).chain([Some(RISTRETTO_BASEPOINT_POINT)]),
    )
    .is_some_and(|sum| sum.is_identity())
}

/// R and s. A `Signature` has a canonical s, and no other way to say so than its bytes with schnorrkel's mark.
fn parts(signature: &Signature) -> (CompressedRistretto, Scalar) {
    let bytes = signature.to_bytes();
    let (mut commitment, mut response) = ([0; 32], [0; 32]);
    commitment.copy_from_slice(&bytes[..32]);
    response.copy_from_slice(&bytes[32..]);
    response[31] &= 0x7f;
    (CompressedRistretto(commitment), Scalar::from_bytes_mod_order(response))
}

/// As `PublicKey::verify` of schnorrkel 0.11 derives it.
fn challenge(mut transcript: impl SigningTranscript, key: &PublicKey, commitment: &CompressedRistretto) -> Scalar {
    transcript.proto_name(b"Schnorr-sig");
    transcript.commit_point(b"sign:pk", key.as_compressed());
    transcript.commit_point(b"sign:R", commitment);
    transcript.challenge_scalar(b"sign:c")
}
