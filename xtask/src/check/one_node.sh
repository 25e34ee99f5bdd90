#!/usr/bin/env bash
# A Slurm of one node on this machine's loopback, for a check; needs root, slurm-wlm and munge.
#   one_node.sh start|stop|kill FOLDER     `kill` is the death of the node: its daemon, its steps and their programs at once
#   one_node.sh revive FOLDER              starts the daemon of a node that was killed
set -euo pipefail
folder=$2
export SLURM_CONF=$folder/slurm.conf
node=$(hostname -s)

configure() {
    cat > "$SLURM_CONF" <<CONF
ClusterName=saddle-check
SlurmctldHost=$node(127.0.0.1)
SlurmctldPort=26817
SlurmdPort=26818
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CredType=cred/munge
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
# Nothing that a container lacks: no control groups, no accounting.
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=2,batch_sched_delay=0
# A node that is silent for so long is down, and what ran there goes back into the queue.
SlurmdTimeout=20
SlurmctldTimeout=30
ReturnToService=2
MinJobAge=600
KillWait=5
SlurmdParameters=config_overrides
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
NodeName=$node NodeAddr=127.0.0.1 CPUs=$(nproc) State=UNKNOWN
PartitionName=check Nodes=ALL Default=YES MaxTime=INFINITE State=UP
CONF
}

wait_for() { # wait_for STATE SECONDS
    local left=$(($2 * 2))
    until [ "$(sinfo --noheader --format=%t 2>/dev/null | tr -d '*~#!%$@^-')" = "$1" ]; do
        left=$((left - 1))
        if [ "$left" -le 0 ]; then
            sinfo >&2 || true
            tail -n 20 "$folder"/*.log >&2
            return 1
        fi
        sleep 0.5
    done
}

case $1 in
start)
    mkdir -p "$folder"/{state,spool}
    configure
    if ! munge --no-input >/dev/null 2>&1; then
        mkdir -p /run/munge
        chown munge:munge /run/munge
        if [ ! -s /etc/munge/munge.key ]; then
            (umask 077 && head -c 1024 /dev/urandom > /etc/munge/munge.key)
            chown munge:munge /etc/munge/munge.key
        fi
        runuser -u munge -- /usr/sbin/munged --force
    fi
    slurmctld
    slurmd
    wait_for idle 60
    ;;
kill)
    # The daemon first, then the steps: what is left alone cannot tell the controller how it ended.
    kill -9 "$(cat "$folder/slurmd.pid")"
    shift 2
    # The programs of the tasks are named by their numbers; their parents are the steps.
    for task in "$@"; do
        step=$(awk '/^PPid:/ { print $2 }' "/proc/$task/status" 2>/dev/null || true)
        if [ -n "$step" ] && grep -q slurmstepd "/proc/$step/cmdline" 2>/dev/null; then
            kill -9 "$step" || true
        fi
        kill -9 "$task" || true
    done
    ;;
revive)
    wait_for down 120
    slurmd
    ;;
stop)
    scontrol shutdown || true
    ;;
esac
