#!/usr/bin/env bash
# Trains on all GPUs of a machine, or of several: run the same line on each of them.
#
#   examples/scaling/torchrun.sh refcoco-rn50-modern --data DATA --out RUN
#   MACHINES=4 HEAD=10.0.0.1 examples/scaling/torchrun.sh refcoco-rn50-modern --data DATA --out RUN
#   PROCESSES=2 examples/scaling/torchrun.sh cris-scenes --out RUN      # on CPU cores
#
# RUN must be a folder that all machines see. When a process dies, all start again from the last checkpoint, three
# times at most.
set -euo pipefail

# else processes that start again read addresses of those that died, and wait for ever:
# https://github.com/pytorch/pytorch/issues/135712
export TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1

exec torchrun \
  --nnodes "${MACHINES:-1}" --nproc-per-node "${PROCESSES:-gpu}" --max-restarts 3 \
  --rdzv-backend c10d --rdzv-endpoint "${HEAD:-localhost}:${PORT:-29400}" --rdzv-id "${RUN_ID:-cris}" \
  --module cris train "$@" --resume
