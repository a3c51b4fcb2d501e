//! `verify_batch_deterministic` draws its coefficients from a transcript of keys, nonce points and messages, not of the scalars
//! `s`. So a signer who knows z1 and z2 beforehand can add z2 to the first scalar and take z1 from the second: the sum
//! z1·s1 + z2·s2 stays what it was, and neither signature is good any more.
use curve25519_dalek::scalar::Scalar;
use merlin::Transcript;
use rand_core::{CryptoRng, RngCore};
use schnorrkel::context::SigningTranscript;
use schnorrkel::{signing_context, verify_batch, verify_batch_deterministic, Keypair, Signature};

/// The randomness of the deterministic variant: none.
struct Zeros;

impl RngCore for Zeros {
    fn next_u32(&mut self) -> u32 {
        0
    }
    fn next_u64(&mut self) -> u64 {
        0
    }
    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        bytes.fill(0)
    }
    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), rand_core::Error> {
        self.fill_bytes(bytes);
        Ok(())
    }
}
impl CryptoRng for Zeros {}

const MESSAGES: [&[u8]; 2] = [b"the first message", b"the second message"];

fn transcript(message: &[u8]) -> Transcript {
    signing_context(b"substrate").bytes(message)
}

/// The coefficients as schnorrkel draws them.
fn coefficients(pair: &Keypair, signatures: &[Signature]) -> Vec<Scalar> {
    let mut zs = Transcript::new(b"V-RNG");
    for _ in signatures {
        zs.append_message(b"", &pair.public.to_bytes());
    }
    for signature in signatures {
        zs.append_message(b"", &signature.to_bytes()[..32]);
    }
    for message in MESSAGES {
        let mut digest = [0u8; 16];
        transcript(message).witness_bytes_rng(b"", &mut digest, &[&[]], Zeros);
        zs.append_message(b"", &digest);
    }
    let mut random = zs.build_rng().finalize(&mut Zeros);
    signatures
        .iter()
        .map(|_| {
            let mut bytes = [0u8; 16];
            random.fill_bytes(&mut bytes);
            Scalar::from(u128::from_le_bytes(bytes))
        })
        .collect()
}

fn shifted(signature: &Signature, by: Scalar) -> Signature {
    let mut bytes = signature.to_bytes();
    let mut scalar: [u8; 32] = bytes[32..].try_into().unwrap();
    scalar[31] &= 0x7f;
    let moved = Scalar::from_canonical_bytes(scalar).unwrap() + by;
    bytes[32..].copy_from_slice(&moved.to_bytes());
    bytes[63] |= 0x80;
    Signature::from_bytes(&bytes).unwrap()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn main() {
    let pair = Keypair::generate();
    let good: Vec<_> = MESSAGES.iter().map(|message| pair.sign(transcript(message))).collect();
    let zs = coefficients(&pair, &good);
    let bad = [shifted(&good[0], zs[1]), shifted(&good[1], -zs[0])];
    let keys = [pair.public, pair.public];
    let transcripts = || MESSAGES.iter().map(|message| transcript(message));
    assert!(verify_batch_deterministic(transcripts(), &bad, &keys, false).is_ok());
    assert!(verify_batch(transcripts(), &bad, &keys, false).is_err());
    let items: Vec<_> = MESSAGES
        .iter()
        .zip(bad)
        .map(|(message, signature)| {
            format!("    {{ \"message\": \"0x{}\", \"signature\": \"0x{}\" }}", hex(message), hex(&signature.to_bytes()))
        })
        .collect();
    println!("{{\n  \"publicKey\": \"0x{}\",\n  \"items\": [\n{}\n  ]\n}}", hex(&pair.public.to_bytes()), items.join(",\n"));
}
