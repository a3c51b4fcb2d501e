//! A development runtime that offers what a Khala-compatible node offers to khala-relay: `PhalaMq` (85) and `PhalaRegistry` (86)
//! beside what any client of such a chain uses.

#![cfg_attr(not(feature = "std"), no_std)]
// The runtime's generated types nest deeply.
#![recursion_limit = "512"]

extern crate alloc;

mod apis;
mod configs;
mod genesis;
mod limits;
#[cfg(test)]
mod tests;
mod version;

// The macro below names it without a path.
use alloc::vec::Vec;

use sp_runtime::{
    generic,
    traits::{BlakeTwo256, IdentifyAccount, Verify},
    MultiAddress, MultiSignature,
};

pub use apis::RUNTIME_API_VERSIONS;
pub use configs::ProxyType;
pub use pallet_phala_mq;
pub use pallet_phala_registry;
pub use version::VERSION;

pub type BlockNumber = u32;
pub type Balance = u128;
pub type Nonce = u32;
pub type Hash = sp_core::H256;
pub type Signature = MultiSignature;
pub type AccountId = <<Signature as Verify>::Signer as IdentifyAccount>::AccountId;
pub type Address = MultiAddress<AccountId, ()>;
pub type Header = generic::Header<BlockNumber, BlakeTwo256>;

/// Khala's order, as far as the extensions are the same.
pub type TxExtension = (
    frame_system::CheckNonZeroSender<Runtime>,
    frame_system::CheckSpecVersion<Runtime>,
    frame_system::CheckTxVersion<Runtime>,
    frame_system::CheckGenesis<Runtime>,
    frame_system::CheckMortality<Runtime>,
    frame_system::CheckNonce<Runtime>,
    frame_system::CheckWeight<Runtime>,
    pallet_phala_mq::CheckMqSequence<Runtime>,
    pallet_transaction_payment::ChargeTransactionPayment<Runtime>,
);

pub type UncheckedExtrinsic =
    generic::UncheckedExtrinsic<Address, RuntimeCall, Signature, TxExtension>;
pub type Block = generic::Block<Header, UncheckedExtrinsic>;
pub type SignedPayload = generic::SignedPayload<RuntimeCall, TxExtension>;

pub type Executive = frame_executive::Executive<
    Runtime,
    Block,
    frame_system::ChainContext<Runtime>,
    Runtime,
    AllPalletsWithSystem,
>;

#[frame_support::runtime]
mod runtime {
    #[runtime::runtime]
    #[runtime::derive(
        RuntimeCall,
        RuntimeEvent,
        RuntimeError,
        RuntimeOrigin,
        RuntimeFreezeReason,
        RuntimeHoldReason,
        RuntimeSlashReason,
        RuntimeLockId,
        RuntimeTask,
        RuntimeViewFunction
    )]
    pub struct Runtime;

    #[runtime::pallet_index(0)]
    pub type System = frame_system;
    #[runtime::pallet_index(1)]
    pub type Timestamp = pallet_timestamp;
    #[runtime::pallet_index(3)]
    pub type Utility = pallet_utility;
    #[runtime::pallet_index(4)]
    pub type Multisig = pallet_multisig;
    #[runtime::pallet_index(5)]
    pub type Proxy = pallet_proxy;
    #[runtime::pallet_index(40)]
    pub type Balances = pallet_balances;
    #[runtime::pallet_index(41)]
    pub type TransactionPayment = pallet_transaction_payment;
    #[runtime::pallet_index(85)]
    pub type PhalaMq = pallet_phala_mq;
    #[runtime::pallet_index(86)]
    pub type PhalaRegistry = pallet_phala_registry;
    #[runtime::pallet_index(99)]
    pub type Sudo = pallet_sudo;
}
