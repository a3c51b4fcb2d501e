//! Orders the off-chain messages of one sender while they wait in the pool.

use alloc::{vec, vec::Vec};
use core::marker::PhantomData;

use codec::{Decode, DecodeWithMemTracking, Encode};
use frame_support::{
    dispatch::DispatchInfo, traits::IsSubType, weights::Weight, CloneNoBound, DebugNoBound,
    EqNoBound, PartialEqNoBound,
};
use scale_info::TypeInfo;
use sp_runtime::{
    traits::{
        AsSystemOriginSigner, DispatchInfoOf, Dispatchable, TransactionExtension, ValidateResult,
    },
    transaction_validity::{
        InvalidTransaction, TransactionSource, TransactionTag, TransactionValidityError,
        ValidTransaction,
    },
};

use crate::{pallet::Pallet, weights, Call, Config, MessageOrigin};

/// Transaction extension without data of its own. It looks at a top-level `sync_offchain_message` only, not into batches.
///
/// In the pool a message below the expected sequence is `Stale`, a later one waits for the one before it. In a block only the
/// expected sequence is let in: a later one is `Future`.
#[derive(
    Encode,
    Decode,
    DecodeWithMemTracking,
    CloneNoBound,
    DebugNoBound,
    EqNoBound,
    PartialEqNoBound,
    TypeInfo,
)]
#[scale_info(skip_type_params(T))]
pub struct CheckMqSequence<T: Config>(PhantomData<T>);

impl<T: Config> CheckMqSequence<T> {
    pub fn new() -> Self {
        Self(PhantomData)
    }
}

impl<T: Config> Default for CheckMqSequence<T> {
    fn default() -> Self {
        Self::new()
    }
}

/// Says to the pool: the message of `sender` with this sequence.
fn tag(sender: &MessageOrigin, sequence: u64) -> TransactionTag {
    ("CheckMqSequence", sender, sequence).encode()
}

/// Sender and sequence, where the call is a message of an off-chain sender.
fn sequenced<T: Config, C: IsSubType<Call<T>>>(call: &C) -> Option<(&MessageOrigin, u64)> {
    match call.is_sub_type()? {
        Call::sync_offchain_message { signed_message } => {
            Some((&signed_message.message.sender, signed_message.sequence))
        }
        _ => None,
    }
}

impl<T: Config + Send + Sync> TransactionExtension<T::RuntimeCall> for CheckMqSequence<T>
where
    T::RuntimeCall: Dispatchable<Info = DispatchInfo> + IsSubType<Call<T>>,
    <T::RuntimeCall as Dispatchable>::RuntimeOrigin: AsSystemOriginSigner<T::AccountId>,
{
    const IDENTIFIER: &'static str = "CheckMqSequence";
    type Implicit = ();
    type Val = ();
    type Pre = ();

    fn weight(&self, call: &T::RuntimeCall) -> Weight {
        sequenced::<T, _>(call).map_or(Weight::zero(), |_| weights::check_sequence::<T>())
    }

    fn validate(
        &self,
        origin: <T::RuntimeCall as Dispatchable>::RuntimeOrigin,
        call: &T::RuntimeCall,
        _info: &DispatchInfoOf<T::RuntimeCall>,
        _len: usize,
        _self_implicit: Self::Implicit,
        _inherited_implication: &impl Encode,
        _source: TransactionSource,
    ) -> ValidateResult<Self::Val, T::RuntimeCall> {
        let signed = origin.as_system_origin_signer().is_some();
        let Some((sender, sequence)) = sequenced::<T, _>(call).filter(|_| signed) else {
            return Ok((ValidTransaction::default(), (), origin));
        };
        let expected = Pallet::<T>::expected_sequence(sender);
        if sequence < expected {
            return Err(InvalidTransaction::Stale.into());
        }
        let requires: Vec<TransactionTag> =
            if sequence > expected { vec![tag(sender, sequence - 1)] } else { Vec::new() };
        let validity = ValidTransaction {
            provides: vec![tag(sender, sequence)],
            requires,
            ..Default::default()
        };
        Ok((validity, (), origin))
    }

    fn prepare(
        self,
        _val: Self::Val,
        origin: &<T::RuntimeCall as Dispatchable>::RuntimeOrigin,
        call: &T::RuntimeCall,
        _info: &DispatchInfoOf<T::RuntimeCall>,
        _len: usize,
    ) -> Result<Self::Pre, TransactionValidityError> {
        let signed = origin.as_system_origin_signer().is_some();
        match sequenced::<T, _>(call).filter(|_| signed) {
            Some((sender, sequence)) if sequence > Pallet::<T>::expected_sequence(sender) => {
                Err(InvalidTransaction::Future.into())
            }
            _ => Ok(()),
        }
    }
}
