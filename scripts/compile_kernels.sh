#!/usr/bin/env bash
# Compiles the trainer's CUDA kernels to PTX and to machine code for the architectures 7.5, 8.0 and 9.0, without a
# GPU, and fails on any error or warning.
#
#   scripts/compile_kernels.sh
#
# Needs what scripts/fetch_nvrtc.sh needs.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
scripts/fetch_nvrtc.sh
LD_LIBRARY_PATH="$PWD/data/nvrtc${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}" \
    cargo test --release --locked -p lowrank-trainer --features cuda --lib kernels_compile -- --ignored
