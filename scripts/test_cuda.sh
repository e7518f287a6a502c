#!/usr/bin/env bash
# Tests the trainer's feature `cuda`: compiles its kernels to PTX and to machine code for the architectures 7.5, 8.0 and
# 9.0, and fails on any error or warning; runs them and the encoder emulated on the CPU, for which no GPU is needed; and
# on a GPU where there is one.
#
#   scripts/test_cuda.sh
#
# Needs what scripts/fetch_nvrtc.sh needs, and a C++ compiler (c++). An NVRTC in LD_LIBRARY_PATH comes before the one
# that is fetched.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
scripts/fetch_nvrtc.sh
LD_LIBRARY_PATH="${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$PWD/data/nvrtc" \
    cargo test --release --locked --workspace --features lowrank-trainer/cuda --lib cuda:: -- --include-ignored
