# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# The benchmark: five guests share one pCPU, dom0 has the other (demo.sh says
# why this way round, and what short_turns is for). Each phase gives them some
# work for some seconds; all phases are in one boot, so that a figure and the
# floor that it is held against come from the same run.
#
#   probe   what is measured: wakes each 10 ms and works 100 us, or answers
#           requests, or reads from its disk
#   mixed   a task of 500 us each 10 ms, beside a busy loop
#   hog1 hog2 hog3
#
# The file bench.conf says: CMD=name of the scheduler in "xl sched-CMD"
# TYPE=pv|pvh
#
# Leaves, for a phase P: result-P-GUEST.json, samples-P.jsonl (guest/sampler.c),
# ping-P.txt, client-P.json.

# shellcheck source=/dev/null
. /avm/in/bench.conf

HOGS="hog1 hog2 hog3"
NAMES="probe mixed $HOGS"
GUEST_PCPU=0 DOM0_PCPU=1
MEM_MB=112
TMP=/run/bench
OUT=/avm/out
declare -A DOMID

PROBE="periodic period_us=10000 work_us=100"
MIXED="mixed period_us=10000 work_us=500"
# Those who only burn begin before what is measured, and end after it.
LEAD_S=1
# A 64-byte answer: the time is the schedulers', not that of copying.
NET="bytes=64"
DISK="diskread bytes=4096"

create_guests() {
    local name extra
    mkdir -p $TMP
    mount -t tmpfs -o size=32m bench $TMP
    xl vcpu-pin 0 0 $DOM0_PCPU
    # In memory: a disk of QEMU's would answer in the host's time.
    head -c 16M /dev/zero | tr '\0' d > $TMP/disk.img

    for name in $NAMES; do
        extra=()
        [[ $name == hog* ]] && extra+=("vif=[]")
        [ "$name" = probe ] && extra+=("disk=[\"$TMP/disk.img,raw,xvda,rw\"]")
        guest_create "$name" 1 $GUEST_PCPU $MEM_MB "$TYPE" idle "${extra[@]}"
    done
    # shellcheck disable=SC2086
    guest_wait_ready $NAMES
    for name in $NAMES; do
        DOMID[$name]=$(xl domid "$name")
    done
}

# hog_for SECONDS GUEST...: they burn that long, and LEAD_S before and after.
hog_for() {
    local seconds=$(($1 + 2 * LEAD_S)) name
    shift
    for name in "$@"; do
        guest_run "$name" "hog seconds=$seconds pause=1"
    done
    sleep $LEAD_S
}

# sample PHASE SECONDS INTERVAL_S: what each domain uses, while the phase goes on.
sample() {
    sampler "$2" $(($3 * 1000)) "${DOMID[@]}" > "$OUT/samples-$1.jsonl" &
    SAMPLER=$!
}

# phase_end PHASE GUEST...: wait for all; keep what these reported.
phase_end() {
    local phase=$1 name
    shift
    if [ -n "${SAMPLER:-}" ]; then
        wait "$SAMPLER"
        SAMPLER=
        # Until all have ended: to ask before would take QEMU's time from the
        # pCPU that is measured.
        sleep $((1 + LEAD_S))
    fi
    # shellcheck disable=SC2086
    guest_wait_ran $NAMES
    for name in "$@"; do
        guest_results "$name" | tail -n 1 > "$OUT/result-$phase-$name.json"
    done
    say "$phase is measured"
}

# latency PHASE SECONDS HOGS [mixed]: the probe's wake-ups beside others.
latency() {
    local phase=$1 seconds=$2 hogs=$3 mixed=${4:-}
    # shellcheck disable=SC2086
    [ -z "$hogs" ] || hog_for "$seconds" $hogs
    [ -z "$mixed" ] || guest_run mixed "$MIXED seconds=$seconds"
    guest_run probe "$PROBE seconds=$seconds"
    # Once at the beginning and once at the end: the probe would see dom0 at work,
    # and 1% of its wake-ups are one a second.
    sample "$phase" $((seconds - 1)) $((seconds - 1))
    # shellcheck disable=SC2086
    phase_end "$phase" probe $mixed
}

# net PHASE SECONDS HOGS: dom0 asks, the probe answers, one at a time.
net() {
    # shellcheck disable=SC2086
    [ -z "$3" ] || hog_for "$2" $3
    guest_run probe "netserver seconds=$(($2 + LEAD_S))"
    /avm/in/workload netclient host="$(guest_ip probe)" $NET seconds="$2" |
        sed -n 's/^AVM-RESULT //p' > "$OUT/client-$1.json"
    phase_end "$1" probe
}

disk() {
    # shellcheck disable=SC2086
    [ -z "$3" ] || hog_for "$2" $3
    guest_run probe "$DISK seconds=$2"
    phase_end "$1" probe
}

# burn PHASE SECONDS GUEST...: only hogs; what is measured is their shares.
burn() {
    local phase=$1 seconds=$2
    shift 2
    hog_for "$seconds" "$@"
    sample "$phase" "$seconds" 1
    phase_end "$phase"
}

# pinged PHASE SECONDS HOGS: dom0 pings one that burns (or idles).
pinged() {
    # shellcheck disable=SC2086
    [ -z "$3" ] || hog_for "$2" $3
    # Not a multiple of what schedulers and ticks count in.
    ping -i 0.083 -w "$2" "$(guest_ip mixed)" > "$OUT/ping-$1.txt" || true
    phase_end "$1"
}

set_domain() {
    local name=$1
    shift
    xl "sched-$CMD" -d "$name" "$@"
}

create_guests
short_turns
sleep 3
if [ "$CMD" = activity ]; then xl sched-activity > $OUT/sched.txt; fi

latency floor 7 ""
latency hogs 8 "$HOGS"
PROBE="$PROBE random=1" latency random 12 hog1
latency mix 8 "$HOGS" mixed
if [ "$CMD" = activity ]; then
    set_domain mixed -b interactive -t 60000
    xl sched-activity >> $OUT/sched.txt
    latency mix-role 8 "$HOGS" mixed
    xl sched-activity >> $OUT/sched.txt
    set_domain mixed -b normal
fi
net net-alone 2 ""
net net 5 "$HOGS"
disk disk-alone 2 ""
disk disk 5 "$HOGS"
pinged pinged-alone 2 ""
pinged pinged 10 "mixed $HOGS"
# rtds has budgets for weights, and no caps.
if [ "$CMD" != rtds ]; then
    set_domain hog1 -w 256
    set_domain hog2 -w 512
    set_domain hog3 -w 1024
    # shellcheck disable=SC2086
    burn weights 6 $HOGS
    set_domain hog1 -w 256 -c 15
    set_domain hog2 -w 256 -c 25
    set_domain hog3 -w 256
    # shellcheck disable=SC2086
    burn caps 6 $HOGS
fi
