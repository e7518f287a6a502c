#!/usr/bin/env bash
# Fetches real tensors (12.6 MB) into data/tensors, which Git ignores:
#
#   Indian_pines_corrected.npy  a hyperspectral image, 145 x 145 pixels in 200 bands (CC BY 3.0;
#                               Baumgardner, Biehl, Landgrebe 2015, doi:10.4231/R7RX991C)
#   Kinetic.npy                 fluorescence of 64 samples at 12 emission and 10 excitation wavelengths
#                               and 60 times (Nikolajsen, Booksh, Hansen, Bro, Anal. Chim. Acta 475,
#                               2003; free for public use, the authors ask to be cited)
#   Kinetic_missing.npy         which of its entries are missing
#
#   scripts/fetch_tensors.sh           fetch them with pip
#   scripts/fetch_tensors.sh WHEEL     take them from a wheel that is already here
package=tensorly==0.10.0
inside=tensorly/datasets/data
target=data/tensors
sums='8f038e4d81569e38ebfc72a15c9984c150de42580ab260be10a13442e912e451  Indian_pines_corrected.npy
1d0bceb65e80631bcbe505e06f1bf5a446eaa4e8c9c5c8f56833b97ad9b908bf  Kinetic.npy
18b84f5a2882e8249f048d1df3e2cb48563f5334abc11f63facca945b70a9ea8  Kinetic_missing.npy'
source "$(dirname "${BASH_SOURCE[0]}")/fetch_from_wheel.sh"
