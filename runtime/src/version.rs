//! Which runtime this is. The version ends up in a section of the WASM, so its numbers must be literals.

use alloc::borrow::Cow;

use sp_version::RuntimeVersion;

use crate::RUNTIME_API_VERSIONS;

#[cfg(not(feature = "legacy-worker-info"))]
#[sp_version::runtime_version]
pub const VERSION: RuntimeVersion = RuntimeVersion {
    spec_name: Cow::Borrowed("khala-dev"),
    impl_name: Cow::Borrowed("khala-dev"),
    authoring_version: 1,
    spec_version: 100,
    impl_version: 0,
    apis: RUNTIME_API_VERSIONS,
    transaction_version: 1,
    system_version: 1,
};

/// One more than the ordinary build, so that its chain can be upgraded to this one.
#[cfg(feature = "legacy-worker-info")]
#[sp_version::runtime_version]
pub const VERSION: RuntimeVersion = RuntimeVersion {
    spec_name: Cow::Borrowed("khala-dev"),
    impl_name: Cow::Borrowed("khala-dev"),
    authoring_version: 1,
    spec_version: 101,
    impl_version: 0,
    apis: RUNTIME_API_VERSIONS,
    transaction_version: 1,
    system_version: 1,
};
