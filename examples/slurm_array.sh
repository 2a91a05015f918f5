#!/bin/bash
# One job per program of a study; every task gives the same command and takes what no other has.
#   sbatch --array=1-"$(jaxcifar plan losses --count)" examples/slurm_array.sh losses /shared/runs/losses
#SBATCH --job-name=jaxcifar
#SBATCH --gres=gpu:1
#SBATCH --cpus-per-task=4
#SBATCH --time=04:00:00
#SBATCH --requeue
#SBATCH --signal=USR1@120
#SBATCH --open-mode=append

# The notice goes to the job step: srun passes SIGUSR1 to jaxcifar, which saves and ends with 138.
srun jaxcifar run "$1" --out "$2"
code=$?
# Ended by the notice before the time limit: the same task again continues from what was saved.
if [ "$code" -eq 138 ]; then
    scontrol requeue "${SLURM_ARRAY_JOB_ID}_${SLURM_ARRAY_TASK_ID}"
fi
exit "$code"
