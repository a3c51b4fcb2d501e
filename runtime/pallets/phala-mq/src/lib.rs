//! Pallet `PhalaMq`: messages between accounts, workers and pallets.
//!
//! A message lives for one block, in `OutboundMessages`: whoever wants it reads that value at the block's hash. There are no events.

#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

mod check_mq_sequence;
#[cfg(test)]
mod mock;
#[cfg(test)]
mod tests;
mod types;
pub mod weights;

pub use check_mq_sequence::CheckMqSequence;
pub use pallet::*;
pub use types::{Message, MessageOrigin, SignedMessage, Topic};

/// Knows the keys of off-chain senders.
pub trait VerifySignedMessage {
    /// Fails unless the signature is by the key of the message's sender.
    fn verify(message: &SignedMessage) -> frame_support::dispatch::DispatchResult;
}

#[frame_support::pallet]
pub mod pallet {
    use alloc::vec::Vec;

    use codec::Encode;
    use frame_support::pallet_prelude::*;
    use frame_system::pallet_prelude::*;

    use super::{weights, Message, MessageOrigin, SignedMessage, Topic, VerifySignedMessage};

    /// Name under which root sends.
    const FORCE_PUSHED: &[u8] = b"ForcePushed";

    #[pallet::config]
    pub trait Config: frame_system::Config<AccountId: Into<[u8; 32]>> {
        type MessageVerifier: VerifySignedMessage;
    }

    #[pallet::pallet]
    #[pallet::without_storage_info]
    pub struct Pallet<T>(_);

    /// The next sequence that is expected of an off-chain sender.
    #[pallet::storage]
    pub type OffchainIngress<T> = StorageMap<_, Twox64Concat, MessageOrigin, u64>;

    /// What pallets sent in this block; it comes out in the next one.
    #[pallet::storage]
    pub type QueuedOutboundMessage<T> = StorageValue<_, Vec<Message>>;

    /// The messages of this block.
    #[pallet::storage]
    pub type OutboundMessages<T> = StorageValue<_, Vec<Message>, ValueQuery>;

    #[pallet::error]
    pub enum Error<T> {
        /// The sender is not one that signs off chain.
        BadSender,
        /// The sequence is not the one expected of the sender.
        BadSequence,
        /// The topic is empty or reserved.
        BadDestination,
    }

    #[pallet::hooks]
    impl<T: Config> Hooks<BlockNumberFor<T>> for Pallet<T> {
        fn on_initialize(_now: BlockNumberFor<T>) -> Weight {
            OutboundMessages::<T>::kill();
            let queued = QueuedOutboundMessage::<T>::take().unwrap_or_default();
            let bytes = queued.encoded_size();
            queued.into_iter().for_each(Self::dispatch);
            weights::on_initialize::<T>(bytes)
        }
    }

    #[pallet::call]
    impl<T: Config> Pallet<T> {
        /// Posts a message that an off-chain sender has signed. Anyone may post it.
        #[pallet::call_index(0)]
        #[pallet::weight(weights::sync_offchain_message::<T>(signed_message.encoded_size()))]
        pub fn sync_offchain_message(
            origin: OriginFor<T>,
            signed_message: SignedMessage,
        ) -> DispatchResult {
            ensure_signed(origin)?;
            let sender = &signed_message.message.sender;
            ensure!(sender.is_off_chain(), Error::<T>::BadSender);
            ensure!(
                signed_message.message.destination.is_well_formed(),
                Error::<T>::BadDestination
            );
            let expected = Self::expected_sequence(sender);
            ensure!(signed_message.sequence == expected, Error::<T>::BadSequence);
            T::MessageVerifier::verify(&signed_message)?;

            OffchainIngress::<T>::insert(sender, expected.saturating_add(1));
            Self::dispatch(signed_message.message);
            Ok(())
        }

        /// Sends a message as the account that signs the extrinsic. A bad topic is no error: the message never comes out.
        #[pallet::call_index(1)]
        #[pallet::weight(weights::push_message::<T>(destination.len() + payload.len()))]
        pub fn push_message(
            origin: OriginFor<T>,
            destination: Vec<u8>,
            payload: Vec<u8>,
        ) -> DispatchResult {
            let account: [u8; 32] = ensure_signed(origin)?.into();
            let sender = MessageOrigin::AccountId(account.into());
            Self::dispatch(Message { sender, destination: Topic(destination), payload });
            Ok(())
        }

        /// Sends a message in the name of a pallet. Root only.
        #[pallet::call_index(2)]
        #[pallet::weight(weights::push_message::<T>(destination.len() + payload.len()))]
        pub fn force_push_pallet_message(
            origin: OriginFor<T>,
            destination: Vec<u8>,
            payload: Vec<u8>,
        ) -> DispatchResult {
            ensure_root(origin)?;
            let sender = MessageOrigin::Pallet(FORCE_PUSHED.to_vec());
            Self::dispatch(Message { sender, destination: Topic(destination), payload });
            Ok(())
        }
    }

    impl<T: Config> Pallet<T> {
        /// The sequence that the next message of `sender` must have.
        pub fn expected_sequence(sender: &MessageOrigin) -> u64 {
            OffchainIngress::<T>::get(sender).unwrap_or(0)
        }

        /// Sends a message of another pallet; it comes out in the next block.
        pub fn queue(message: Message) {
            QueuedOutboundMessage::<T>::append(message);
        }

        /// Lets a message out in this block, if its topic is one that leaves the chain.
        fn dispatch(message: Message) {
            if message.destination.is_outbound() {
                OutboundMessages::<T>::append(message);
            }
        }
    }
}
