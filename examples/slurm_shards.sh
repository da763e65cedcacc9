#!/usr/bin/env bash
#SBATCH --job-name=onebyone-shards
#SBATCH --output=onebyone_%A_%a.log --open-mode=append
#SBATCH --requeue --signal=USR1@60
# Apply weights to one huge stack on many machines. Each task of the array computes its share and writes
# it into the one output. A job that waits for all tasks publishes the output.
#
#     job=$(sbatch --parsable --array=0-7 --time=... slurm_shards.sh INPUT WEIGHTS OUTPUT)
#     sbatch --dependency=afterok:$job --wrap "onebyone merge OUTPUT"
#
# A minute before its time is up a task leaves a checkpoint and ends with status 75; it is requeued and
# resumes. The files must be on a file system that all nodes share.
set -euo pipefail

status=0
# As a step of the job, which Slurm signals itself.
srun onebyone apply "$1" -w "$2" -o "$3" --shard auto || status=$?
if [ "$status" = 75 ]; then
    scontrol requeue "${SLURM_ARRAY_JOB_ID}_${SLURM_ARRAY_TASK_ID}"
fi
exit "$status"
