#!/bin/sh
# The ODROID-XU3's board file from public measurements: import, calibrate, check.
#
#   sh benchmarks/calibration/odroid_xu3.sh ../shared/data/odroid-xu3 OUT [REPORT.html]
#
# OUT gets odroid-xu3.toml and odroid-xu3.applications.toml. What of them is shipped is compared with
# the command's output by tests/traces/calibration/test_odroid_xu3.py.
set -eu
data=$1 out=$2 report=${3:-$2/report.html}
skeleton=$(dirname "$0")/odroid-xu3.skeleton.toml
mkdir -p "$out"
ilgov trace import "$data/powmon_a15.tsv.gz" --board "$skeleton" --out "$out/powmon.parquet"
ilgov trace import "$data/parsec_1core_a15.tsv.gz" --board "$skeleton" --out "$out/parsec.parquet"
ilgov board calibrate --board "$skeleton" --seed 0 \
    "$out/powmon.parquet:cooling=fan" "$out/parsec.parquet:cooling=fan-armpm:cores=4" \
    --sensor-place 'CPU(4)=C4' --assume-speed little=big:1.55:2.1 --suite odroid-xu3 \
    --data-name 'ODROID-XU3, PowMon (mattw200/gemstone-applypower @9a64fc6) and ARMPM (kranik/ARMPM_BUILDMODEL @d3822e7)' \
    --out "$out/odroid-xu3.toml" --applications "$out/odroid-xu3.applications.toml" --report "$report"
ilgov board check "$out/odroid-xu3.toml"
