//! A chain from the preset `development`, with real blocks and signed extrinsics.

use codec::Encode;
use pallet_phala_mq::{Message, MessageOrigin, OutboundMessages, SignedMessage, Topic};
use pallet_phala_registry::{WorkerPublicKey, WorkerRegistrationInfoV2};
use sp_core::{sr25519, Pair, H256};
use sp_genesis_builder::{runtime_decl_for_genesis_builder::GenesisBuilder, DEV_RUNTIME_PRESET};
use sp_io::TestExternalities;
use sp_keyring::Sr25519Keyring;
use sp_runtime::{
    generic::Era, traits::Header as _, ApplyExtrinsicResult, DispatchOutcome, MultiAddress,
};

use crate::{
    AccountId, Executive, Header, PhalaMq, Runtime, RuntimeCall, RuntimeEvent, SignedPayload,
    System, TxExtension, UncheckedExtrinsic,
};

/// What the clock says in the first block, in ms.
pub const START_MS: u64 = 1_700_000_000_000;

/// The genesis configuration of the preset, merged into the defaults.
pub fn config() -> serde_json::Value {
    let preset = |id| serde_json::from_slice(&Runtime::get_preset(&id).unwrap()).unwrap();
    let mut config: serde_json::Value = preset(None);
    merge(&mut config, preset(Some(DEV_RUNTIME_PRESET.into())));
    config
}

fn merge(target: &mut serde_json::Value, patch: serde_json::Value) {
    match (target, patch) {
        (serde_json::Value::Object(target), serde_json::Value::Object(patch)) => {
            for (key, value) in patch {
                merge(target.entry(key).or_insert(serde_json::Value::Null), value);
            }
        }
        (target, patch) => *target = patch,
    }
}

/// Runs `test` in block 1.
pub fn on_chain(test: impl FnOnce()) {
    let mut chain = TestExternalities::new_empty();
    chain.execute_with(|| Runtime::build_state(config().to_string().into_bytes()).unwrap());
    chain.execute_with(|| {
        start_block(1, H256::zero());
        test();
    });
}

fn start_block(number: u32, parent: H256) {
    let zero = H256::zero();
    Executive::initialize_block(&Header::new(number, zero, zero, parent, Default::default()));
    let now = START_MS + u64::from(number) * 6_000;
    let set = RuntimeCall::Timestamp(pallet_timestamp::Call::set { now });
    Executive::apply_extrinsic(UncheckedExtrinsic::new_bare(set)).unwrap().unwrap();
}

/// Ends this block and starts the next one.
pub fn next_block() {
    let header = Executive::finalize_block();
    start_block(header.number + 1, header.hash());
}

pub fn sign(who: Sr25519Keyring, call: RuntimeCall, nonce_ahead: u32) -> UncheckedExtrinsic {
    let account = who.to_account_id();
    let nonce = System::account_nonce(&account) + nonce_ahead;
    let extension: TxExtension = (
        frame_system::CheckNonZeroSender::new(),
        frame_system::CheckSpecVersion::new(),
        frame_system::CheckTxVersion::new(),
        frame_system::CheckGenesis::new(),
        frame_system::CheckMortality::from(Era::Immortal),
        frame_system::CheckNonce::from(nonce),
        frame_system::CheckWeight::new(),
        pallet_phala_mq::CheckMqSequence::new(),
        pallet_transaction_payment::ChargeTransactionPayment::from(0),
    );
    let payload = SignedPayload::new(call.clone(), extension.clone()).unwrap();
    let signature = payload.using_encoded(|bytes| who.sign(bytes));
    UncheckedExtrinsic::new_signed(call, MultiAddress::Id(account), signature.into(), extension)
}

pub fn submit(who: Sr25519Keyring, call: RuntimeCall) -> ApplyExtrinsicResult {
    Executive::apply_extrinsic(sign(who, call, 0))
}

/// Submits what gets into the block; whether the call succeeds is the answer.
pub fn dispatch(who: Sr25519Keyring, call: impl Into<RuntimeCall>) -> DispatchOutcome {
    submit(who, call.into()).unwrap()
}

pub fn outbound() -> Vec<Message> {
    OutboundMessages::<Runtime>::get()
}

pub fn senders() -> Vec<MessageOrigin> {
    outbound().into_iter().map(|message| message.sender).collect()
}

pub fn from_account(account: AccountId) -> MessageOrigin {
    MessageOrigin::AccountId(<[u8; 32]>::from(account).into())
}

/// How many events of this block match.
pub fn events(matches: impl Fn(&RuntimeEvent) -> bool) -> usize {
    System::events().iter().filter(|record| matches(&record.event)).count()
}

pub fn push(topic: &[u8]) -> RuntimeCall {
    let (destination, payload) = (topic.to_vec(), vec![7]);
    RuntimeCall::PhalaMq(pallet_phala_mq::Call::push_message { destination, payload })
}

pub fn key(name: &str) -> sr25519::Pair {
    sr25519::Pair::from_string(&format!("//{name}"), None).unwrap()
}

pub fn public(name: &str) -> WorkerPublicKey {
    key(name).public()
}

pub fn register(worker: &str) -> RuntimeCall {
    let pruntime_info = WorkerRegistrationInfoV2 {
        version: 1,
        machine_id: [0; 16],
        pubkey: public(worker),
        ecdh_pubkey: public("ecdh"),
        genesis_block_hash: H256::zero(),
        features: vec![],
        operator: None,
        para_id: 2004,
        max_consensus_version: 1,
    };
    let attestation = None;
    pallet_phala_registry::Call::register_worker_v2 { pruntime_info, attestation }.into()
}

pub fn force_register(worker: WorkerPublicKey) -> RuntimeCall {
    let ecdh_pubkey = public("ecdh");
    pallet_phala_registry::Call::force_register_worker {
        pubkey: worker,
        ecdh_pubkey,
        operator: None,
    }
    .into()
}

pub fn worker(name: &str) -> MessageOrigin {
    MessageOrigin::Worker(public(name))
}

pub fn sync(name: &str, sequence: u64) -> RuntimeCall {
    let destination = Topic(b"topic".to_vec());
    let message = Message { sender: worker(name), destination, payload: vec![7] };
    let signature = key(name).sign(&(&message, sequence).encode()).0.to_vec();
    let signed_message = SignedMessage { message, sequence, signature };
    RuntimeCall::PhalaMq(pallet_phala_mq::Call::sync_offchain_message { signed_message })
}

pub fn expected_sequence(name: &str) -> u64 {
    PhalaMq::expected_sequence(&worker(name))
}
