#!/usr/bin/env bash
# Fetches NVRTC, which compiles CUDA kernels without a GPU, for 64-bit x86 Linux (148 MB, NVIDIA's license)
# into data/nvrtc, which Git ignores.
#
#   scripts/fetch_nvrtc.sh           fetch it with pip
#   scripts/fetch_nvrtc.sh WHEEL     take it from a wheel that is already here
package=nvidia-cuda-nvrtc==13.5.37
inside=nvidia/cu13/lib
target=data/nvrtc
sums='6cecb2fd3e562bab1cb1c6e192f8f828157683c8febb22a00e178f9faf4e7f6a  libnvrtc-builtins.so.13.5
98a317ff5d2176dee5a04235c6663f8d553d5ed95b3104cbf7fb198cbf76a10d  libnvrtc.so.13'
source "$(dirname "${BASH_SOURCE[0]}")/fetch_from_wheel.sh"
