#!/usr/bin/env bash
# Trains on GPUs of a SLURM cluster:
#
#   sbatch --nodes 4 examples/scaling/slurm.sh refcoco-rn50-modern --data DATA --out RUN
#
# RUN must be a folder that all machines see. Two minutes before its time is up the job saves and queues again, and
# goes on where it was; so it does after a machine has failed.
#SBATCH --job-name=cris
#SBATCH --ntasks-per-node=8
#SBATCH --gpus-per-node=8
#SBATCH --cpus-per-task=10
#SBATCH --time=12:00:00
#SBATCH --signal=TERM@120
#SBATCH --requeue
#SBATCH --open-mode=append
set -euo pipefail

code=0
srun --kill-on-bad-exit=0 cris train "$@" --resume || code=$?
if [ "$code" -eq 143 ]; then # saved after SIGTERM
  scontrol requeue "$SLURM_JOB_ID"
fi
exit "$code"
