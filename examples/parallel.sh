#!/usr/bin/env bash
# Apply weights to many files, several at a time.
#
#     parallel.sh WEIGHTS FOLDER FILE...
#
# Results go into FOLDER, under the names of the files. JOBS is the number of processes (default: one for
# each processor). Each process has one thread: files divide the work better than threads do.
set -euo pipefail

if [ "$#" -lt 3 ]; then
    echo "usage: ${0##*/} WEIGHTS FOLDER FILE..." >&2
    exit 2
fi
weights=$1 folder=$2
shift 2
jobs=${JOBS:-$(nproc)}
export ONEBYONE_THREADS=1
mkdir -p -- "$folder"

# Another program of the same name does not know {/}, the name without its folders.
if parallel --version 2>/dev/null | grep -q '^GNU parallel'; then
    parallel --will-cite --quote --jobs "$jobs" \
        onebyone apply {} -w "$weights" -o "$folder/{/}" --if-changed --quiet ::: "$@"
else
    printf '%s\0' "$@" | xargs -0 -n 1 -P "$jobs" bash -c \
        'exec onebyone apply "$3" -w "$1" -o "$2/${3##*/}" --if-changed --quiet' \
        onebyone "$weights" "$folder"
fi
