#!/bin/sh
# Unit tests of the dev runtime, in both layouts. Any stable Rust will do; CARGO names another cargo, arguments go to `cargo test`.
set -eu
cd "$(dirname "$0")/../runtime"
cargo=${CARGO:-cargo}
"$cargo" test --locked --workspace "$@"
"$cargo" test --locked -p khala-dev-runtime -p pallet-phala-registry --features legacy-worker-info "$@"
