//! A runtime with nothing but the queue. A signature is good when it says so.

use frame_support::{
    derive_impl,
    dispatch::DispatchResult,
    traits::{Hooks, IsSubType},
};
use sp_io::TestExternalities;
use sp_runtime::{traits::IdentityLookup, AccountId32, BuildStorage, DispatchError};

use crate::{Message, MessageOrigin, SignedMessage, Topic, VerifySignedMessage};

pub const GOOD: &[u8] = b"good";
pub const BAD: DispatchError = DispatchError::Other("bad signature");
pub const ALICE: AccountId32 = AccountId32::new([1; 32]);

type Block = frame_system::mocking::MockBlock<Test>;

frame_support::construct_runtime!(
    pub enum Test {
        System: frame_system = 0,
        PhalaMq: crate = 85,
    }
);

#[derive_impl(frame_system::config_preludes::TestDefaultConfig)]
impl frame_system::Config for Test {
    type AccountId = AccountId32;
    type Lookup = IdentityLookup<AccountId32>;
    type Block = Block;
}

pub struct SaysGood;

impl VerifySignedMessage for SaysGood {
    fn verify(message: &SignedMessage) -> DispatchResult {
        (message.signature == GOOD).then_some(()).ok_or(BAD)
    }
}

impl crate::Config for Test {
    type MessageVerifier = SaysGood;
}

pub fn chain() -> TestExternalities {
    let mut chain: TestExternalities =
        frame_system::GenesisConfig::<Test>::default().build_storage().unwrap().into();
    chain.execute_with(next_block);
    chain
}

/// Ends this block and starts the next one.
pub fn next_block() {
    let number = System::block_number() + 1;
    System::set_block_number(number);
    PhalaMq::on_initialize(number);
}

pub fn worker(id: u8) -> MessageOrigin {
    MessageOrigin::Worker([id; 32].into())
}

pub fn message(sender: MessageOrigin, topic: &[u8]) -> Message {
    Message { sender, destination: Topic(topic.to_vec()), payload: vec![7] }
}

pub fn signed(sender: MessageOrigin, topic: &[u8], sequence: u64) -> SignedMessage {
    SignedMessage { message: message(sender, topic), sequence, signature: GOOD.to_vec() }
}

pub fn sync_call(sender: MessageOrigin, sequence: u64) -> RuntimeCall {
    let call = RuntimeCall::PhalaMq(crate::Call::sync_offchain_message {
        signed_message: signed(sender, b"topic", sequence),
    });
    assert!(IsSubType::<crate::Call<Test>>::is_sub_type(&call).is_some());
    call
}
