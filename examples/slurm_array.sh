#!/usr/bin/env bash
#SBATCH --job-name=onebyone
#SBATCH --output=onebyone_%A_%a.log --open-mode=append
#SBATCH --requeue --signal=B:USR1@60
# Apply weights to the files of a list as an array of jobs; each task takes one line.
#
#     sbatch --array=1-$(wc -l < LIST) --time=... slurm_array.sh LIST WEIGHTS FOLDER
#
# A minute before the time is up Slurm signals this script. onebyone then leaves a checkpoint and ends
# with status 75, and the task is requeued and resumes. The defaults of threads and memory follow
# --cpus-per-task and --mem.
set -euo pipefail

list=$1 weights=$2 folder=$3
input=$(sed -n "${SLURM_ARRAY_TASK_ID}p" -- "$list")
name=${input##*/}
mkdir -p -- "$folder"

# In the background, since bash runs a trap only between commands and during wait.
onebyone apply "$input" -w "$weights" -o "$folder/${name%.*}.npy" --if-changed \
    --checkpoint-every "${CHECKPOINT_EVERY:-10}" &
child=$!
warned=
trap 'warned=yes; kill -USR1 "$child"' USR1

status=0
wait "$child" || status=$?
if [ "$warned" ]; then # the signal ended the first wait
    status=0
    wait "$child" || status=$?
fi
if [ "$status" = 75 ]; then
    scontrol requeue "${SLURM_ARRAY_JOB_ID}_${SLURM_ARRAY_TASK_ID}"
fi
exit "$status"
