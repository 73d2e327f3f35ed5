#!/bin/sh
# Everything that is measured on a graphics card, in under ten minutes; checks itself, prints its table last.
# Needs the extra `gpu` and nvcc (once). Options: run.sh --help
set -eu
cd "$(dirname "$0")/../.."
exec "${PYTHON:-python3}" -m benchmarks.gpu "$@"
