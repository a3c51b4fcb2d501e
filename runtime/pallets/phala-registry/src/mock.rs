//! A runtime with the registry, the queue and a clock, and real keys.

use std::cell::Cell;

use codec::Encode;
use frame_support::{derive_impl, traits::ConstBool, traits::ConstU32, traits::ConstU64};
use pallet_phala_mq::{Message, MessageOrigin, SignedMessage, Topic};
use sp_core::{sr25519, Get, Pair, H256};
use sp_io::TestExternalities;
use sp_runtime::{traits::IdentityLookup, AccountId32, BuildStorage};

use crate::{
    VersionedWorkerEndpoints, WorkerEndpointPayload, WorkerPublicKey, WorkerRegistrationInfoV2,
};

pub const ALICE: AccountId32 = AccountId32::new([1; 32]);
pub const PARA_ID: u32 = 2004;
/// What the clock says, in ms.
pub const NOW_MS: u64 = 1_700_000_000_500;

type Block = frame_system::mocking::MockBlock<Test>;

frame_support::construct_runtime!(
    pub enum Test {
        System: frame_system = 0,
        Timestamp: pallet_timestamp = 1,
        PhalaMq: pallet_phala_mq = 85,
        PhalaRegistry: crate = 86,
    }
);

#[derive_impl(frame_system::config_preludes::TestDefaultConfig)]
impl frame_system::Config for Test {
    type AccountId = AccountId32;
    type Lookup = IdentityLookup<AccountId32>;
    type Block = Block;
}

impl pallet_timestamp::Config for Test {
    type Moment = u64;
    type OnTimestampSet = ();
    type MinimumPeriod = ConstU64<1>;
    type WeightInfo = ();
}

impl pallet_phala_mq::Config for Test {
    type MessageVerifier = PhalaRegistry;
}

thread_local! {
    static ATTESTED_ONLY: Cell<bool> = const { Cell::new(false) };
}

pub struct NoneAttestation;

impl Get<bool> for NoneAttestation {
    fn get() -> bool {
        !ATTESTED_ONLY.get()
    }
}

/// Runs `test` on a chain where workers must attest themselves.
pub fn attested_only(test: impl FnOnce()) {
    ATTESTED_ONLY.set(true);
    test();
    ATTESTED_ONLY.set(false);
}

impl crate::Config for Test {
    type UnixTime = Timestamp;
    type ParachainId = ConstU32<PARA_ID>;
    type NoneAttestationEnabled = NoneAttestation;
    type VerifyPRuntime = ConstBool<false>;
    type VerifyRelaychainGenesisBlockHash = ConstBool<false>;
}

pub fn chain() -> TestExternalities {
    let mut chain: TestExternalities =
        frame_system::GenesisConfig::<Test>::default().build_storage().unwrap().into();
    chain.execute_with(|| {
        System::set_block_number(5);
        set_now(NOW_MS);
    });
    chain
}

pub fn set_now(ms: u64) {
    pallet_timestamp::Now::<Test>::put(ms);
}

pub fn key(name: &str) -> sr25519::Pair {
    sr25519::Pair::from_string(&format!("//{name}"), None).unwrap()
}

pub fn public(name: &str) -> WorkerPublicKey {
    key(name).public()
}

pub fn registration(pubkey: WorkerPublicKey) -> WorkerRegistrationInfoV2<AccountId32> {
    WorkerRegistrationInfoV2 {
        version: 3,
        machine_id: [9; 16],
        pubkey,
        ecdh_pubkey: public("ecdh"),
        genesis_block_hash: H256::repeat_byte(8),
        features: vec![2, 7],
        operator: Some(ALICE),
        para_id: PARA_ID,
        max_consensus_version: 1,
    }
}

pub fn endpoints(urls: &[&str]) -> VersionedWorkerEndpoints {
    VersionedWorkerEndpoints::V1(urls.iter().map(ToString::to_string).collect())
}

pub fn payload(pubkey: WorkerPublicKey, signing_time: u64) -> WorkerEndpointPayload {
    let versioned_endpoints = endpoints(&["https://worker.example/"]);
    WorkerEndpointPayload { pubkey, versioned_endpoints, signing_time }
}

/// A message of `sender`, signed by the key of that name.
pub fn signed_by(name: &str, sender: MessageOrigin, sequence: u64) -> SignedMessage {
    let message = Message { sender, destination: Topic(b"topic".to_vec()), payload: vec![7] };
    let content = (&message, sequence).encode();
    SignedMessage { message, sequence, signature: key(name).sign(&content).0.to_vec() }
}
