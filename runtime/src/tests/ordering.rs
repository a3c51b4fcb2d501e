//! `CheckMqSequence` as the pool and the block builder see it.

use sp_keyring::Sr25519Keyring::{Alice, Bob};
use sp_runtime::transaction_validity::{
    InvalidTransaction, TransactionSource, TransactionValidity, TransactionValidityError,
};

use super::chain::*;
use crate::{Executive, RuntimeCall, System};

fn validate(call: RuntimeCall, nonce_ahead: u32) -> TransactionValidity {
    let extrinsic = sign(Alice, call, nonce_ahead);
    Executive::validate_transaction(TransactionSource::External, extrinsic, System::parent_hash())
}

fn refused(reason: InvalidTransaction) -> TransactionValidityError {
    TransactionValidityError::Invalid(reason)
}

#[test]
fn what_was_posted_before_is_stale() {
    on_chain(|| {
        dispatch(Bob, sync("worker", 0)).unwrap();
        next_block();
        let stale = refused(InvalidTransaction::Stale);
        assert_eq!(validate(sync("worker", 0), 0), Err(stale));
        assert_eq!(submit(Alice, sync("worker", 0)), Err(stale));
    });
}

#[test]
fn a_later_message_waits_in_the_pool_for_the_one_before_it() {
    on_chain(|| {
        next_block();
        let first = validate(sync("worker", 0), 0).unwrap();
        let second = validate(sync("worker", 1), 0).unwrap();
        assert!(first.requires.is_empty());
        assert_eq!(second.requires.len(), 1);
        assert!(first.provides.contains(&second.requires[0]));
    });
}

#[test]
fn a_later_message_does_not_get_into_a_block() {
    on_chain(|| {
        assert_eq!(submit(Bob, sync("worker", 1)), Err(refused(InvalidTransaction::Future)));
        assert_eq!(expected_sequence("worker"), 0);
    });
}

#[test]
fn nonces_are_tagged_as_ever() {
    on_chain(|| {
        next_block();
        let ahead = validate(sync("worker", 1), 1).unwrap();
        assert_eq!((ahead.requires.len(), ahead.provides.len()), (2, 2));
        assert_eq!(validate(push(b"topic"), 0).unwrap().provides.len(), 1);
    });
}

#[test]
fn a_batch_is_not_looked_into() {
    on_chain(|| {
        next_block();
        let batch = |sequence| {
            let calls = vec![sync("worker", sequence)];
            RuntimeCall::Utility(pallet_utility::Call::batch_all { calls })
        };
        assert!(validate(batch(9), 0).unwrap().requires.is_empty());
        let bad_sequence = pallet_phala_mq::Error::<crate::Runtime>::BadSequence;
        assert_eq!(dispatch(Alice, batch(9)), Err(bad_sequence.into()));
    });
}
