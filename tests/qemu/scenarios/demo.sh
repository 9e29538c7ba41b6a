# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# The demo: six guests share one pCPU, dom0 has the other.
#
# The guests have pCPU 0. Under -icount QEMU (7.2) begins each turn with pCPU 0,
# and goes on to pCPU 1 when that one halts or pauses, as the hogs do every
# 50 us. This way round, a busy dom0 takes instructions from the hogs; the other
# way round it would stop the guests' pCPU for as long as it is busy, and every
# latency would be one of QEMU's.
#
#   control   5 ms of work each 50 ms            time-critical
#   net       answers requests from dom0         interactive
#   disk      random direct reads (PVH)          interactive
#   hog1      burns                              normal
#   hog2      burns                              normal
#   changer   idle, from half way on burns       background
#
# Both runs of the demo are this script. The file demo.conf says which it is:
#   AGENT=none|auto   RUN_S=seconds
#
# What is measured stays in memory until the end: a write to a disk or to the
# console in the middle would be measured too.

# shellcheck source=/dev/null
. /avm/in/demo.conf

NAMES="control net disk hog1 hog2 changer"
declare -A ROLE=([control]=time-critical [net]=interactive [disk]=interactive
                 [hog1]=normal [hog2]=normal [changer]=background)
declare -A TYPE=([control]=pv [net]=pv [disk]=pvh [hog1]=pv [hog2]=pv
                 [changer]=pv)
declare -A EXPECT=([control]='"time-critical"' [net]='"net"' [disk]='"disk"'
                   [hog1]='"cpu"' [hog2]='"cpu"' [changer]='"idle","cpu"')
declare -A DOMID TTY WORK TEXT

# What is asked of a guest: operations a second, bytes and work for each. Their periods
# divide neither each other nor control's: so everything falls on everything else in
# each run, and the longest wait does not depend on how they happened to start.
NET_RATE=193 NET_BYTES=16384 NET_WORK_US=100
DISK_RATE=97 DISK_BYTES=32768
CHANGE_S=$((RUN_S / 2))

WORK[control]="periodic,seconds=$RUN_S,period_us=50000,work_us=5000"
WORK[net]="netserver,seconds=$RUN_S,work_us=$NET_WORK_US"
WORK[disk]="diskread,seconds=$RUN_S,rate=$DISK_RATE,bytes=$DISK_BYTES"
WORK[hog1]="hog,seconds=$RUN_S"
WORK[hog2]="hog,seconds=$RUN_S"
WORK[changer]="phases,seconds=$RUN_S,idle_s=$CHANGE_S"

TEXT[control]="5 ms of work each 50 ms"
TEXT[net]="answers up to $NET_RATE requests a second, $((NET_BYTES / 1024)) KiB each"
TEXT[disk]="up to $DISK_RATE random direct reads a second, $((DISK_BYTES / 1024)) KiB each"
TEXT[hog1]="burns"
TEXT[hog2]="burns"
TEXT[changer]="idle for $CHANGE_S s, then burns"

GUEST_PCPU=0 DOM0_PCPU=1
MEM_MB=112
TMP=/run/demo
OUT=/avm/out

create_guests() {
    local name extra
    mkdir -p $TMP
    mount -t tmpfs -o size=80m demo $TMP
    xl vcpu-pin 0 0 $DOM0_PCPU
    # In memory: a disk of QEMU's would answer in the host's time.
    head -c 64M /dev/zero | tr '\0' d > $TMP/disk.img

    for name in $NAMES; do
        extra=()
        # Only who needs a network has one: less to set up.
        [ "$name" = net ] || extra+=("vif=[]")
        [ "$name" = disk ] && extra+=("disk=[\"$TMP/disk.img,raw,xvda,rw\"]")
        guest_create "$name" 1 $GUEST_PCPU $MEM_MB "${TYPE[$name]}" "${WORK[$name]}" \
            "${extra[@]}"
    done
    # shellcheck disable=SC2086
    guest_wait_ready $NAMES
    for name in $NAMES; do
        DOMID[$name]=$(xl domid "$name")
        TTY[$name]=$(xenstore-read \
            "/local/domain/${DOMID[$name]}/console/tty")
    done
}

start_agent() {
    local name
    mkdir -p /etc/avm /var/lib/avm /run/avm
    # A real host takes its time; the demo has less than a minute.
    cat > /etc/avm/avm.conf <<- CONF
	mode = "auto"
	sample_ms = 250
	decide_ms = 500
	hold_decisions = 3
	warmup_ms = 2000
	cooldown_ms = 3000
	changes_per_minute = 60
	CONF
    avmd -f > $OUT/avmd.log 2>&1 &
    AVMD_PID=$!
    wait_for 30 "avmd to answer" avm list > /dev/null
    for name in $NAMES; do
        avm need-set "$name" --role="${ROLE[$name]}"
    done
    say "avmd runs, roles are set"
}

write_meta() {
    local name sep=
    {
        printf '{"scheduler":"%s","agent":"%s","seconds":%d,"start_ns":%s,' \
            "$(sed -n 's/^xen_scheduler *: *//p' $OUT/xl-info.txt)" \
            "$AGENT" "$RUN_S" "$1"
        printf '"change_at_ms":%d,"xen_version":"%s","domains":[' \
            $((CHANGE_S * 1000)) \
            "$(sed -n 's/^xen_version *: *//p' $OUT/xl-info.txt)"
        for name in $NAMES; do
            printf '%s{"name":"%s","domid":%d,"role":"%s","type":"%s",' \
                "$sep" "$name" "${DOMID[$name]}" "${ROLE[$name]}" \
                "${TYPE[$name]}"
            printf '"expected":[%s],"work":"%s"}' "${EXPECT[$name]}" \
                "${TEXT[$name]}"
            sep=,
        done
        printf ']}\n'
    } > $OUT/meta.json
}

# One line of JSON for each call, whatever its layout.
one_line() { tr -d '\n' < "$1" && echo; }

run_load() {
    local name start client sampler end
    sampler "$RUN_S" 1000 "${DOMID[@]}" > $OUT/samples.jsonl &
    sampler=$!
    start=$(date +%s%N)
    for name in $NAMES; do
        echo go > "${TTY[$name]}"
    done
    /avm/in/workload netclient host="$(guest_ip net)" rate=$NET_RATE \
        bytes=$NET_BYTES seconds=$RUN_S > $OUT/load-net.txt &
    client=$!
    write_meta "$start"
    say "the guests work: $RUN_S s of their time"

    if [ "$AGENT" = none ]; then
        sleep "$RUN_S"
    else
        end=$((SECONDS + RUN_S))
        while [ $SECONDS -lt $end ]; do
            sleep 2
            avm list -j > $TMP/list
            one_line $TMP/list >> $OUT/list.jsonl
        done
    fi
    wait $client $sampler
}

collect() {
    local name
    # shellcheck disable=SC2086
    guest_wait_done $NAMES
    for name in $NAMES; do
        guest_results "$name" > "$OUT/result-$name.txt"
    done
    xl list > $OUT/xl-list.txt
    [ "$AGENT" = none ] && return
    avm history -j > $OUT/history.json
    avm plan > $OUT/plan.txt
    for name in $NAMES; do
        avm explain "$name" > "$OUT/explain-$name.txt"
    done
    kill $AVMD_PID
    wait $AVMD_PID || say "avmd ended with status $?"
}

create_guests
[ "$AGENT" = none ] || start_agent
short_turns
# What booting left to do is done before the time starts.
sleep 3
run_load
collect
