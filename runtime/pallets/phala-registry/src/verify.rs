//! Signatures of off-chain senders. The schnorrkel context is `substrate`, that of the host function.

use frame_support::{dispatch::DispatchResult, ensure};
use pallet_phala_mq::{MessageOrigin, SignedMessage, VerifySignedMessage};
use sp_core::sr25519;

use crate::pallet::{ClusterKeys, Config, ContractKeys, Error, GatekeeperMasterPubkey, Pallet};

/// Length of an sr25519 signature, in bytes.
const SIGNATURE_LENGTH: usize = 64;

/// Fails unless `signature` is that of `public` over `content`.
pub fn signature<T: Config>(
    public: &sr25519::Public,
    content: &[u8],
    signature: &[u8],
) -> DispatchResult {
    ensure!(signature.len() == SIGNATURE_LENGTH, Error::<T>::InvalidSignatureLength);
    let signature =
        sr25519::Signature::try_from(signature).map_err(|()| Error::<T>::MalformedSignature)?;
    ensure!(
        sp_io::crypto::sr25519_verify(&signature, content, public),
        Error::<T>::InvalidSignature
    );
    Ok(())
}

impl<T: Config> VerifySignedMessage for Pallet<T> {
    /// A worker signs with its own key, registered or not; everything else with the key that the registry has for it.
    fn verify(message: &SignedMessage) -> DispatchResult {
        let public = match &message.message.sender {
            MessageOrigin::Worker(public) => *public,
            MessageOrigin::Contract(id) => {
                ContractKeys::<T>::get(id).ok_or(Error::<T>::UnknownContract)?
            }
            MessageOrigin::Cluster(id) => {
                ClusterKeys::<T>::get(id).ok_or(Error::<T>::UnknownCluster)?
            }
            MessageOrigin::Gatekeeper => {
                GatekeeperMasterPubkey::<T>::get().ok_or(Error::<T>::MasterKeyUninitialized)?
            }
            _ => return Err(Error::<T>::CannotHandleUnknownMessage.into()),
        };
        signature::<T>(&public, &message.signed_content(), &message.signature)
    }
}
