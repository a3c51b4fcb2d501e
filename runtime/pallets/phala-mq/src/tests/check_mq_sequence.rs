use codec::Encode;
use frame_support::{dispatch::DispatchInfo, weights::Weight};
use sp_runtime::{
    traits::{TransactionExtension, TxBaseImplication},
    transaction_validity::{
        InvalidTransaction, TransactionSource, TransactionValidityError, ValidTransaction,
    },
};

use crate::{mock::*, CheckMqSequence, OffchainIngress};

type Extension = CheckMqSequence<Test>;

fn validate_from(
    origin: RuntimeOrigin,
    call: &RuntimeCall,
) -> Result<ValidTransaction, TransactionValidityError> {
    let info = DispatchInfo::default();
    let source = TransactionSource::External;
    Extension::new()
        .validate(origin, call, &info, 0, (), &TxBaseImplication(()), source)
        .map(|(validity, (), _origin)| validity)
}

fn validate(call: &RuntimeCall) -> Result<ValidTransaction, TransactionValidityError> {
    validate_from(RuntimeOrigin::signed(ALICE), call)
}

fn prepare(call: &RuntimeCall) -> Result<(), TransactionValidityError> {
    let origin = RuntimeOrigin::signed(ALICE);
    Extension::new().prepare((), &origin, call, &DispatchInfo::default(), 0)
}

fn expecting(sequence: u64, test: impl FnOnce()) {
    chain().execute_with(|| {
        OffchainIngress::<Test>::insert(worker(1), sequence);
        test();
    });
}

#[test]
fn it_bears_the_name_of_khala_and_has_no_data() {
    assert_eq!(Extension::IDENTIFIER, "CheckMqSequence");
    assert!(Extension::new().encode().is_empty());
}

#[test]
fn a_sequence_below_the_expected_one_is_stale() {
    expecting(3, || {
        for sequence in 0..3 {
            assert_eq!(
                validate(&sync_call(worker(1), sequence)),
                Err(InvalidTransaction::Stale.into())
            );
        }
    });
}

#[test]
fn the_expected_sequence_waits_for_nothing() {
    expecting(3, || {
        let call = sync_call(worker(1), 3);
        let validity = validate(&call).unwrap();
        assert_eq!(validity.provides.len(), 1);
        assert!(validity.requires.is_empty());
        assert_eq!(prepare(&call), Ok(()));
    });
}

#[test]
fn a_later_sequence_waits_for_the_one_before_it() {
    expecting(3, || {
        let third = validate(&sync_call(worker(1), 3)).unwrap();
        let fourth = validate(&sync_call(worker(1), 4)).unwrap();
        let fifth = validate(&sync_call(worker(1), 5)).unwrap();
        assert_eq!(fourth.requires, third.provides);
        assert_eq!(fifth.requires, fourth.provides);
    });
}

#[test]
fn a_later_sequence_does_not_get_into_a_block() {
    expecting(3, || {
        assert_eq!(prepare(&sync_call(worker(1), 4)), Err(InvalidTransaction::Future.into()));
    });
}

#[test]
fn senders_do_not_wait_for_each_other() {
    expecting(3, || {
        let one = validate(&sync_call(worker(1), 3)).unwrap();
        let other = validate(&sync_call(worker(2), 3)).unwrap();
        assert_ne!(one.provides, other.provides);
        assert_eq!(validate(&sync_call(worker(2), 0)).unwrap().requires, Vec::<Vec<u8>>::new());
    });
}

#[test]
fn other_calls_pass() {
    expecting(3, || {
        let call = RuntimeCall::PhalaMq(crate::Call::push_message {
            destination: b"a".to_vec(),
            payload: vec![],
        });
        assert_eq!(validate(&call), Ok(ValidTransaction::default()));
        assert_eq!(prepare(&call), Ok(()));
        assert_eq!(Extension::new().weight(&call), Weight::zero());
        let remark = RuntimeCall::System(frame_system::Call::remark { remark: vec![] });
        assert_eq!(validate(&remark), Ok(ValidTransaction::default()));
    });
}

#[test]
fn it_looks_at_signed_extrinsics_only() {
    expecting(3, || {
        let call = sync_call(worker(1), 0);
        assert_eq!(validate_from(RuntimeOrigin::none(), &call), Ok(ValidTransaction::default()));
    });
}

#[test]
fn looking_costs_a_read() {
    let weight = Extension::new().weight(&sync_call(worker(1), 0));
    assert_eq!(weight, crate::weights::check_sequence::<Test>());
}
