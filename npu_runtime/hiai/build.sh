#!/bin/sh
# Build ilgov_hiai_server: for this machine, or for the board with Android's NDK (r19 or later).
#
#   sh build.sh host OUT
#   ANDROID_NDK=/path/to/android-ndk sh build.sh android OUT
#
# ANDROID_API (default 26, Android 8.0) is the lowest API level that the program runs on. For the
# host, CC (default cc) and CFLAGS (in addition) choose the compiler, a cross compiler too.
set -eu
target=${1:-} out=${2:-}
here=$(cd "$(dirname "$0")" && pwd)
case $target in
host)
    compiler=${CC:-cc}
    ;;
android)
    : "${ANDROID_NDK:?must name the folder of the NDK}"
    compiler=$ANDROID_NDK/toolchains/llvm/prebuilt/linux-x86_64/bin/clang
    compiler="$compiler --target=aarch64-linux-android${ANDROID_API:-26}"
    ;;
*)
    out=
    ;;
esac
if [ -z "$out" ]; then
    echo "usage: build.sh host|android OUT" >&2
    exit 2
fi
# $compiler and $CFLAGS are lists of words.
# shellcheck disable=SC2086
exec $compiler -std=c11 -D_GNU_SOURCE -O2 -Wall -Wextra -Werror -fPIE -pie ${CFLAGS:-} \
    "$here"/*.c -o "$out" -ldl
