//! What callers hand in and what the registry keeps, in the chain's own encoding.

use alloc::{string::String, vec::Vec};
use codec::{Decode, DecodeWithMemTracking, Encode};
use scale_info::TypeInfo;
use sp_core::{sr25519, H256};

/// sr25519 public key that a worker is known by.
pub type WorkerPublicKey = sr25519::Public;
/// sr25519 public key that others agree on a secret with.
pub type EcdhPublicKey = sr25519::Public;

/// Who vouches for a worker.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub enum AttestationProvider {
    #[codec(index = 0)]
    Root,
    #[codec(index = 1)]
    Ias,
    #[codec(index = 2)]
    Dcap,
}

/// Evidence of an enclave. This runtime can't check it and refuses all of it.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub enum AttestationReport {
    #[codec(index = 0)]
    SgxIas { ra_report: Vec<u8>, signature: Vec<u8>, raw_signing_cert: Vec<u8> },
    #[codec(index = 1)]
    SgxDcap { quote: Vec<u8>, collateral: Option<Vec<u8>> },
}

/// Where a worker can be reached.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub enum VersionedWorkerEndpoints {
    #[codec(index = 0)]
    V1(Vec<String>),
}

/// What a worker signs to publish its endpoints. `signing_time` is in ms since 1970.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct WorkerEndpointPayload {
    pub pubkey: WorkerPublicKey,
    pub versioned_endpoints: VersionedWorkerEndpoints,
    pub signing_time: u64,
}

/// First byte of signed content that can never be a message of the queue.
const WRAPPED: u8 = 0xff;
/// Second byte: endpoints are what was signed.
const ENDPOINTS: u8 = 0x02;

impl WorkerEndpointPayload {
    /// The bytes under the signature.
    pub fn signed_content(&self) -> Vec<u8> {
        (WRAPPED, ENDPOINTS, self).encode()
    }
}

/// What a worker says of itself when it registers.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct WorkerRegistrationInfoV2<AccountId> {
    pub version: u32,
    pub machine_id: [u8; 16],
    pub pubkey: WorkerPublicKey,
    pub ecdh_pubkey: EcdhPublicKey,
    pub genesis_block_hash: H256,
    pub features: Vec<u32>,
    pub operator: Option<AccountId>,
    pub para_id: u32,
    pub max_consensus_version: u32,
}
