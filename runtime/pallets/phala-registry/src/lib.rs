//! Pallet `PhalaRegistry`: workers, their keys and endpoints, and the keys of everything else that signs off chain.
//!
//! Events say less than storage does: endpoints change without one, and so do the removal of a gatekeeper and the keys of
//! contracts and clusters.

#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

pub mod migration;
#[cfg(test)]
mod mock;
#[cfg(test)]
mod tests;
mod types;
mod verify;
mod weights;
mod worker_info;

pub use pallet::*;
pub use types::{
    AttestationProvider, AttestationReport, EcdhPublicKey, VersionedWorkerEndpoints,
    WorkerEndpointPayload, WorkerPublicKey, WorkerRegistrationInfoV2,
};
pub use worker_info::{current, legacy, WorkerInfo};

#[frame_support::pallet]
pub mod pallet {
    use alloc::vec::Vec;

    use codec::Encode;
    use frame_support::{pallet_prelude::*, traits::UnixTime};
    use frame_system::pallet_prelude::*;
    use sp_core::{sr25519, H256};

    #[cfg(not(feature = "legacy-worker-info"))]
    use super::AttestationProvider;
    use super::{
        migration, verify, weights, AttestationReport, EcdhPublicKey, VersionedWorkerEndpoints,
        WorkerEndpointPayload, WorkerInfo, WorkerPublicKey, WorkerRegistrationInfoV2,
    };

    /// How long a signed endpoint payload may be used, in ms.
    pub const ENDPOINT_VALID_MS: u64 = 4 * 60 * 60 * 1000;
    /// Confidence in a worker that no enclave vouches for: the lowest.
    pub const CONFIDENCE_UNATTESTED: u8 = 128;
    /// `last_updated` of a worker that root registered.
    const FORCED_LAST_UPDATED_S: u64 = 1;
    /// Features of a worker that root registered.
    const FORCED_FEATURES: [u32; 2] = [1, 4];

    #[pallet::config]
    pub trait Config:
        frame_system::Config<RuntimeEvent: From<Event<Self>>> + pallet_phala_mq::Config
    {
        type UnixTime: UnixTime;

        /// The id that a worker must have been started with.
        type ParachainId: Get<u32>;

        /// Whether a worker may register without an attestation.
        #[pallet::constant]
        type NoneAttestationEnabled: Get<bool>;

        /// Whether the program of a worker must be a known one.
        #[pallet::constant]
        type VerifyPRuntime: Get<bool>;

        /// Whether the relay chain that a worker follows must be a known one.
        #[pallet::constant]
        type VerifyRelaychainGenesisBlockHash: Get<bool>;
    }

    #[pallet::pallet]
    #[pallet::without_storage_info]
    #[pallet::storage_version(migration::IN_CODE)]
    pub struct Pallet<T>(_);

    /// The workers that are gatekeepers.
    #[pallet::storage]
    pub type Gatekeeper<T> = StorageValue<_, Vec<WorkerPublicKey>, ValueQuery>;

    /// The key that gatekeepers sign with.
    #[pallet::storage]
    pub type GatekeeperMasterPubkey<T> = StorageValue<_, sr25519::Public>;

    #[pallet::storage]
    pub type Workers<T: Config> =
        StorageMap<_, Twox64Concat, WorkerPublicKey, WorkerInfo<T::AccountId>>;

    /// The block in which a worker was registered first.
    #[pallet::storage]
    pub type WorkerAddedAt<T: Config> =
        StorageMap<_, Twox64Concat, WorkerPublicKey, BlockNumberFor<T>>;

    /// The keys that contracts sign with.
    #[pallet::storage]
    pub type ContractKeys<T> = StorageMap<_, Twox64Concat, H256, sr25519::Public>;

    /// The keys that clusters sign with.
    #[pallet::storage]
    pub type ClusterKeys<T> = StorageMap<_, Twox64Concat, H256, sr25519::Public>;

    /// The keys of secret topics.
    #[pallet::storage]
    pub type TopicKey<T> = StorageMap<_, Blake2_128Concat, Vec<u8>, Vec<u8>>;

    #[pallet::storage]
    pub type Endpoints<T> = StorageMap<_, Twox64Concat, WorkerPublicKey, VersionedWorkerEndpoints>;

    #[pallet::event]
    #[pallet::generate_deposit(fn deposit_event)]
    pub enum Event<T: Config> {
        #[codec(index = 0)]
        GatekeeperAdded { pubkey: WorkerPublicKey },
        /// Never emitted.
        #[codec(index = 1)]
        GatekeeperRemoved { pubkey: WorkerPublicKey },
        #[codec(index = 2)]
        WorkerAdded {
            pubkey: WorkerPublicKey,
            #[cfg(not(feature = "legacy-worker-info"))]
            attestation_provider: Option<AttestationProvider>,
            confidence_level: u8,
        },
        #[codec(index = 3)]
        WorkerUpdated {
            pubkey: WorkerPublicKey,
            #[cfg(not(feature = "legacy-worker-info"))]
            attestation_provider: Option<AttestationProvider>,
            confidence_level: u8,
        },
    }

    #[pallet::error]
    pub enum Error<T> {
        /// A sender of this kind has no key.
        #[codec(index = 0)]
        CannotHandleUnknownMessage,
        #[codec(index = 1)]
        InvalidSender,
        /// The worker is not registered.
        #[codec(index = 2)]
        InvalidPubKey,
        #[codec(index = 3)]
        MalformedSignature,
        #[codec(index = 4)]
        InvalidSignatureLength,
        #[codec(index = 5)]
        InvalidSignature,
        /// The contract has no key.
        #[codec(index = 6)]
        UnknownContract,
        /// The attestation can't be checked or is wrong.
        #[codec(index = 8)]
        InvalidReport,
        #[codec(index = 15)]
        InvalidInput,
        #[codec(index = 17)]
        WorkerNotFound,
        /// Workers must attest themselves on this chain.
        #[codec(index = 18)]
        NoneAttestationDisabled,
        /// The worker is not a gatekeeper.
        #[codec(index = 19)]
        InvalidGatekeeper,
        /// The gatekeepers have no key yet.
        #[codec(index = 22)]
        MasterKeyUninitialized,
        /// The cluster has no key.
        #[codec(index = 29)]
        UnknownCluster,
        /// Signed in the future, or too long ago.
        #[codec(index = 34)]
        InvalidEndpointSigningTime,
        /// The worker was started for another chain.
        #[codec(index = 36)]
        ParachainIdMismatch,
    }

    #[pallet::hooks]
    impl<T: Config> Hooks<BlockNumberFor<T>> for Pallet<T> {
        fn on_runtime_upgrade() -> Weight {
            migration::migrate::<T>()
        }
    }

    #[pallet::call]
    impl<T: Config> Pallet<T> {
        /// Registers a worker, or overwrites it. Root only.
        #[pallet::call_index(1)]
        #[pallet::weight(weights::register_worker::<T>(0))]
        pub fn force_register_worker(
            origin: OriginFor<T>,
            pubkey: WorkerPublicKey,
            ecdh_pubkey: EcdhPublicKey,
            operator: Option<T::AccountId>,
        ) -> DispatchResult {
            ensure_root(origin)?;
            Self::add_worker(WorkerInfo {
                pubkey,
                ecdh_pubkey,
                runtime_version: 0,
                last_updated: FORCED_LAST_UPDATED_S,
                operator,
                #[cfg(not(feature = "legacy-worker-info"))]
                attestation_provider: Some(AttestationProvider::Root),
                confidence_level: CONFIDENCE_UNATTESTED,
                initial_score: None,
                features: FORCED_FEATURES.to_vec(),
            });
            Ok(())
        }

        /// Makes a registered worker a gatekeeper. Root only.
        #[pallet::call_index(3)]
        #[pallet::weight(weights::change_gatekeepers::<T>())]
        pub fn register_gatekeeper(
            origin: OriginFor<T>,
            gatekeeper: WorkerPublicKey,
        ) -> DispatchResult {
            ensure_root(origin)?;
            let mut gatekeepers = Gatekeeper::<T>::get();
            if !gatekeepers.contains(&gatekeeper) {
                ensure!(Workers::<T>::contains_key(gatekeeper), Error::<T>::WorkerNotFound);
                gatekeepers.push(gatekeeper);
                Gatekeeper::<T>::put(gatekeepers);
            }
            Self::deposit_event(Event::GatekeeperAdded { pubkey: gatekeeper });
            Ok(())
        }

        /// Makes a gatekeeper an ordinary worker again, without an event. Root only.
        #[pallet::call_index(4)]
        #[pallet::weight(weights::change_gatekeepers::<T>())]
        pub fn unregister_gatekeeper(
            origin: OriginFor<T>,
            gatekeeper: WorkerPublicKey,
        ) -> DispatchResult {
            ensure_root(origin)?;
            let mut gatekeepers = Gatekeeper::<T>::get();
            ensure!(gatekeepers.contains(&gatekeeper), Error::<T>::InvalidGatekeeper);
            gatekeepers.retain(|other| *other != gatekeeper);
            Gatekeeper::<T>::put(gatekeepers);
            Ok(())
        }

        /// Registers a worker, or renews what it says of itself; the `ecdh_pubkey` of a known worker stays as it is.
        /// Anyone may call it for a worker.
        #[pallet::call_index(7)]
        #[pallet::weight(weights::register_worker::<T>(pruntime_info.encoded_size() + attestation.encoded_size()))]
        pub fn register_worker_v2(
            origin: OriginFor<T>,
            pruntime_info: WorkerRegistrationInfoV2<T::AccountId>,
            attestation: Option<AttestationReport>,
        ) -> DispatchResult {
            ensure_signed(origin)?;
            ensure!(attestation.is_none(), Error::<T>::InvalidReport);
            ensure!(T::NoneAttestationEnabled::get(), Error::<T>::NoneAttestationDisabled);
            ensure!(
                pruntime_info.para_id == T::ParachainId::get(),
                Error::<T>::ParachainIdMismatch
            );

            let now = T::UnixTime::now().as_secs();
            match Workers::<T>::get(pruntime_info.pubkey) {
                Some(known) => Self::renew_worker(WorkerInfo {
                    runtime_version: pruntime_info.version,
                    last_updated: now,
                    operator: pruntime_info.operator,
                    confidence_level: CONFIDENCE_UNATTESTED,
                    features: pruntime_info.features,
                    ..known
                }),
                None => Self::add_worker(WorkerInfo {
                    pubkey: pruntime_info.pubkey,
                    ecdh_pubkey: pruntime_info.ecdh_pubkey,
                    runtime_version: pruntime_info.version,
                    last_updated: now,
                    operator: pruntime_info.operator,
                    #[cfg(not(feature = "legacy-worker-info"))]
                    attestation_provider: None,
                    confidence_level: CONFIDENCE_UNATTESTED,
                    initial_score: None,
                    features: pruntime_info.features,
                }),
            }
            Ok(())
        }

        /// Publishes the endpoints that a worker has signed, without an event. Anyone may post them, again too, while the
        /// signature is fresh.
        #[pallet::call_index(8)]
        #[pallet::weight(weights::update_worker_endpoint::<T>(endpoint_payload.encoded_size()))]
        pub fn update_worker_endpoint(
            origin: OriginFor<T>,
            endpoint_payload: WorkerEndpointPayload,
            signature: Vec<u8>,
        ) -> DispatchResult {
            ensure_signed(origin)?;
            let WorkerEndpointPayload { pubkey, signing_time, .. } = endpoint_payload;
            verify::signature::<T>(&pubkey, &endpoint_payload.signed_content(), &signature)?;

            let now = u64::try_from(T::UnixTime::now().as_millis()).unwrap_or(u64::MAX);
            let expires = signing_time.saturating_add(ENDPOINT_VALID_MS);
            ensure!(signing_time < now && now <= expires, Error::<T>::InvalidEndpointSigningTime);
            ensure!(Workers::<T>::contains_key(pubkey), Error::<T>::InvalidPubKey);

            Endpoints::<T>::insert(pubkey, endpoint_payload.versioned_endpoints);
            Ok(())
        }
    }

    impl<T: Config> Pallet<T> {
        fn add_worker(info: WorkerInfo<T::AccountId>) {
            WorkerAddedAt::<T>::insert(info.pubkey, frame_system::Pallet::<T>::block_number());
            Self::deposit_event(Event::WorkerAdded {
                pubkey: info.pubkey,
                #[cfg(not(feature = "legacy-worker-info"))]
                attestation_provider: info.attestation_provider,
                confidence_level: info.confidence_level,
            });
            Workers::<T>::insert(info.pubkey, info);
        }

        /// The event tells of this registration, which nobody vouched for; the entry keeps who did before.
        fn renew_worker(info: WorkerInfo<T::AccountId>) {
            Self::deposit_event(Event::WorkerUpdated {
                pubkey: info.pubkey,
                #[cfg(not(feature = "legacy-worker-info"))]
                attestation_provider: None,
                confidence_level: info.confidence_level,
            });
            Workers::<T>::insert(info.pubkey, info);
        }
    }
}
