# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# xentrace on real Xen: what the trace says of guests that ran is what Xen's
# own accounts say, and the scheduler's records are there.
#
# xen-run: --sched activity --icount 1 --timeout 900 --file build/avm-sim
#
# dom0, which writes the trace, has a pCPU to itself; the others share one.

GUEST_TIMEOUT=300
GUEST_PCPU=0 DOM0_PCPU=1
SECONDS_LONG=4
CAP=20
NAMES="hog capped beat"
OUT=/avm/out
declare -A DOMID BEFORE AFTER

# cpu_ns NAME: CPU time that Xen has given it so far
cpu_ns() {
    sampler 0 1 "${DOMID[$1]}" |
        sed "s/.*\"domid\":${DOMID[$1]},\"cpu_ns\":\([0-9]*\).*/\1/"
}

# ran_ns NAME: the same, by the trace
ran_ns() {
    awk -F, -v domain="d${DOMID[$1]}" \
        '$1 == "run" && $5 == domain { sum += $3 - $2 }
         END { printf "%.0f\n", sum }' $OUT/host.csv
}

# told_ns NAME: the same, by what the core says of each run when it ends
told_ns() {
    awk -v who="d${DOMID[$1]}v0" \
        '$5 == who && $6 " " $7 == "ran for" { sum += $8 }
         END { printf "%.0f\n", sum * 1000 }' $OUT/host.txt
}

# near A B PERMILLE: they differ by so much of B at most
near() {
    awk -v a="$1" -v b="$2" -v permille="$3" \
        'BEGIN { d = a - b; exit !((d < 0 ? -d : d) * 1000 <= permille * b) }'
}

has() { grep -q "$1" $OUT/host.txt; }
wakes_of() { grep -c "^wake,.*,d${DOMID[$1]},0" $OUT/host.csv || true; }
each() { # COMMAND [ARG]...: for each guest
    local name
    for name in $NAMES; do
        "$@" "$name"
    done
}
clock() { sed -n '1s/.* \([0-9.]*\) MHz.*/\1/p' $OUT/host.csv; }

xl vcpu-pin 0 0 $DOM0_PCPU
for name in $NAMES; do
    guest_create "$name" 1 $GUEST_PCPU 112 pv idle 'vif=[]'
done
# shellcheck disable=SC2086
guest_wait_ready $NAMES
for name in $NAMES; do
    DOMID[$name]=$(xl domid "$name")
done
xl sched-activity -d capped -c $CAP
sleep 2

# Paused, so that what runs from one look at the accounts to the next is what
# the trace has, and no less.
each xl pause
xentrace -D -e sched -S 512 -T 200 $OUT/host.xentrace &
XENTRACE=$!
sleep 1
for name in $NAMES; do
    BEFORE[$name]=$(cpu_ns "$name")
done
each xl unpause
guest_run hog "hog seconds=$SECONDS_LONG"
guest_run capped "hog seconds=$SECONDS_LONG"
guest_run beat "periodic period_us=10000 work_us=500 seconds=$SECONDS_LONG"
# shellcheck disable=SC2086
guest_wait_ran $NAMES
each xl pause
sleep 0.2
for name in $NAMES; do
    AFTER[$name]=$(cpu_ns "$name")
done
kill -TERM $XENTRACE
wait $XENTRACE
say "traced: $(stat -c %s $OUT/host.xentrace) bytes"

check "the trace is imported" /avm/in/avm-sim import $OUT/host.xentrace \
    $OUT/host.csv
check "and put in words" /avm/in/avm-sim import $OUT/host.xentrace \
    $OUT/host.txt --text
say "$(head -n 1 $OUT/host.csv)"
check "nothing was lost" grep -q '^#.* 0 records lost' $OUT/host.csv
mhz=$(xl info | sed -n 's/^cpu_mhz *: *//p')
check "its clock is the host's: $(clock), not $mhz MHz" near "$(clock)" "$mhz" 5
# A record is written a few us after the time that counts, more at some switches
# than at others: in QEMU about 1% of short runs.
for name in $NAMES; do
    cpu=$((AFTER[$name] - BEFORE[$name]))
    ran=$(ran_ns "$name") told=$(told_ns "$name")
    check "$name ran for $ran ns, and Xen says $cpu" near "$ran" "$cpu" 20
    check "the core says $told ns of its runs" [ "$told" -eq "$cpu" ]
done
wakes=$(wakes_of beat)
# On a slow machine it is late for some, and does not sleep before the next.
check "its wake-ups are there: $wakes" [ "$wakes" -ge $((SECONDS_LONG * 25)) ]
for words in "gets the pCPU" "goes on, " "calls pCPU" "begins a slice" \
        "gets an event" "did not wake a task" "d${DOMID[capped]}v0 is parked" \
        "d${DOMID[capped]}v0 is no longer parked"; do
    check "a record says \"$words\"" has "$words"
done
check "a picture is drawn of it" /avm/in/avm-sim plot $OUT/host.csv \
    $OUT/host.svg --from 2000 --for 60
rm $OUT/host.txt
checks_passed
