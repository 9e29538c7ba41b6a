# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# What a scenario can call in dom0. Everything that waits says so and gives up
# after a while; everything that fails ends the scenario (set -e).

GUEST_DIR=/avm/guests
GUEST_LOG=/var/log/xen/console
GUEST_TIMEOUT=${GUEST_TIMEOUT:-120}

# say TEXT: a line that xen-run prints.
say() {
    echo "$*"
    echo "@avm say $*" > /dev/hvc0
}

# ok TEXT / not_ok TEXT: one test case, counted by "make test".
ok() { say "ok - $*"; }
not_ok() {
    say "not ok - $*"
    AVM_FAILED=$((${AVM_FAILED:-0} + 1))
}

# check TEXT COMMAND...: ok if the command succeeds.
check() {
    local text=$1
    shift
    if "$@"; then ok "$text"; else not_ok "$text"; fi
}

# check_fails TEXT COMMAND...: ok if the command fails.
check_fails() {
    local text=$1
    shift
    if "$@"; then not_ok "$text"; else ok "$text"; fi
}

# checks_passed: the last line of a scenario; fails if a check did.
checks_passed() { [ "${AVM_FAILED:-0}" -eq 0 ]; }

# wait_for SECONDS TEXT COMMAND...: poll until the command succeeds.
wait_for() {
    local limit=$1 text=$2 start=$SECONDS
    shift 2
    until "$@"; do
        if [ $((SECONDS - start)) -ge "$limit" ]; then
            say "gave up after $limit s: $text"
            return 1
        fi
        sleep 0.2
    done
}

# guest_create NAME VCPUS CPUS MEM TYPE "WORKLOAD ARGS" [XL.CFG LINE]...
# TYPE is pv or pvh; CPUS as in xl.cfg. The guest boots and waits for
# guest_go; its address is what guest_ip says.
guest_create() {
    local name=$1 vcpus=$2 cpus=$3 mem=$4 type=$5 work=$6 number line cfg
    shift 6
    mkdir -p "$GUEST_DIR"
    number=$(($(find "$GUEST_DIR" -name '*.cfg' | wc -l) + 10))
    [ -f "$GUEST_DIR/$name.ip" ] ||
        echo "10.42.0.$number" > "$GUEST_DIR/$name.ip"
    cfg=$GUEST_DIR/$name.cfg
    {
        echo "name=\"$name\""
        echo "type=\"$type\""
        echo 'kernel="/avm/guest/vmlinux"'
        echo 'ramdisk="/avm/guest/initrd.img"'
        echo "vcpus=$vcpus"
        echo "cpus=\"$cpus\""
        echo "memory=$mem"
        # QEMU's SVM gives no instruction length, without which Xen cannot
        # emulate RDTSCP; and it forgets now and then, when a guest is entered,
        # that AVX is on.
        [ "$type" = pv ] || echo 'cpuid="host,rdtscp=0,avx=0,avx2=0"'
        [[ " $*" == *" vif"* ]] || echo 'vif=["bridge=xenbr0"]'
        echo 'on_poweroff="destroy"'
        echo 'on_crash="destroy"'
        echo "extra=\"$(cat /avm/guest/cmdline) $(guest_cmdline "$name" \
            "$work")\""
        for line in "$@"; do echo "$line"; done
    } > "$cfg"
    xl create -q "$cfg"
    say "created $name ($type, $vcpus vCPU on pCPU $cpus, $mem MB)"
}

guest_cmdline() {
    echo "ip=$(guest_ip "$1") work=${2// /,}"
}

guest_ip() { cat "$GUEST_DIR/$1.ip"; }

guest_saw() { grep -q "$2" "$GUEST_LOG/guest-$1.log" 2> /dev/null; }

# guest_wait MARK TEXT NAME...: until each has printed MARK. A guest whose kernel
# died will not; then there is nothing to wait for.
guest_wait() {
    local mark=$1 text=$2 name
    shift 2
    for name in "$@"; do
        wait_for "$GUEST_TIMEOUT" "$name to be $text" \
            guest_saw "$name" "$mark\|Kernel panic"
        if ! guest_saw "$name" "$mark"; then
            say "$name: $(grep -o 'Kernel panic.*' "$GUEST_LOG/guest-$name.log")"
            return 1
        fi
        say "$name is $text"
    done
}

guest_wait_ready() { guest_wait AVM-READY ready "$@"; }
guest_wait_done() { guest_wait AVM-DONE "done" "$@"; }

guest_go() {
    local name tty
    for name in "$@"; do
        tty=$(xenstore-read "/local/domain/$(xl domid "$name")/console/tty")
        echo go > "$tty"
    done
}

# guest_run NAME "WORKLOAD ARGS": do this now, and be ready for more after it.
declare -A GUEST_RUNS GUEST_TTY
guest_run() {
    [ -n "${GUEST_TTY[$1]:-}" ] || GUEST_TTY[$1]=$(xenstore-read \
        "/local/domain/$(xl domid "$1")/console/tty")
    GUEST_RUNS[$1]=$((${GUEST_RUNS[$1]:-0} + 1))
    echo "run ${2// /,}" > "${GUEST_TTY[$1]}"
}

# guest_stop NAME...: what it runs ends now, with no result
guest_stop() {
    local name
    for name in "$@"; do echo stop > "${GUEST_TTY[$name]}"; done
}

guest_ran() {
    [ "$(grep -c AVM-DONE "$GUEST_LOG/guest-$1.log")" -ge \
        "${GUEST_RUNS[$1]:-0}" ]
}

# guest_wait_ran NAME...: until all of guest_run is done.
guest_wait_ran() {
    local name
    for name in "$@"; do
        wait_for "$GUEST_TIMEOUT" "$name to have run" guest_ran "$name"
    done
}

# cmos REGISTER VALUE, both as two hexadecimal digits.
cmos() {
    # shellcheck disable=SC2059
    printf "\\x$1" | dd of=/dev/port bs=1 seek=112 conv=notrunc status=none
    # shellcheck disable=SC2059
    printf "\\x$2" | dd of=/dev/port bs=1 seek=113 conv=notrunc status=none
}

# short_turns: for scenarios that measure time under -icount.
#
# A pCPU's turn lasts until the next timer of QEMU's is due, which may be
# milliseconds: long for the other one when it waits for a lock that is free
# again after microseconds. So let a timer be due often: the RTC's, 8192 times a
# second. Nobody listens to its interrupt, so it costs no instructions.
short_turns() {
    local rtc
    for rtc in /sys/bus/pnp/drivers/rtc_cmos/*:*; do
        [ ! -e "$rtc" ] || echo "${rtc##*/}" > "${rtc%/*}/unbind"
    done
    cmos 0a 23
    cmos 0b 42
}

# guest_results NAME: the JSON of each report, one per line.
guest_results() {
    tr -d '\r' < "$GUEST_LOG/guest-$1.log" | sed -n 's/^.*AVM-RESULT //p'
}

# avmd_start LOG [OPTION]...: sets AVMD, its process, and waits until it answers.
avmd_start() {
    avmd "${@:2}" > "$1" 2>&1 &
    AVMD=$!
    wait_for 30 "avmd to answer" avm info > /dev/null 2>&1
}

# sched_of DOMAIN COLUMN: what xl sched-activity says of it
sched_of() {
    xl sched-activity -d "$1" | awk -v column="$2" '
        NR == 1 { for (i = 1; i <= NF; i++) if ($i == column) field = i }
        NR == 2 { print $field }'
}
