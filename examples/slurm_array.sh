#!/usr/bin/env bash
#SBATCH --job-name=onebyone
#SBATCH --output=onebyone_%A_%a.log --open-mode=append
#SBATCH --requeue --signal=B:USR1@60
# Apply weights to the files of a list as an array of jobs; each task takes one line.
#
#     sbatch --array=1-$(wc -l < LIST) --time=... slurm_array.sh LIST WEIGHTS FOLDER
#
# A minute before its time is up Slurm warns this script. onebyone then leaves a checkpoint and
# ends with status 75, and the task is queued again to go on from there. Threads and memory follow
# from --cpus-per-task and --mem by themselves.
set -euo pipefail

list=$1 weights=$2 folder=$3
input=$(sed -n "${SLURM_ARRAY_TASK_ID}p" -- "$list")
name=${input##*/}
mkdir -p -- "$folder"

# In the background, for bash runs a trap only between commands, and while it waits.
onebyone apply "$input" -w "$weights" -o "$folder/${name%.*}.npy" --if-changed \
    --checkpoint-every "${CHECKPOINT_EVERY:-10}" &
child=$!
warned=
trap 'warned=yes; kill -USR1 "$child"' USR1

status=0
wait "$child" || status=$?
if [ "$warned" ]; then # that was the signal: wait for what comes of it
    status=0
    wait "$child" || status=$?
fi
if [ "$status" = 75 ]; then
    scontrol requeue "${SLURM_ARRAY_JOB_ID}_${SLURM_ARRAY_TASK_ID}"
fi
exit "$status"
