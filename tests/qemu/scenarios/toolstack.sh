# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# What an administrator does with xl on a host with sched=activity: set and
# list, right and wrong values; create, pin, pause, save, move between pools,
# crash and destroy guests which have more vCPUs than the host has pCPUs.
#
# xen-run: --sched activity --debug --xen-arg conring_size=1M --timeout 880
#
# On two pCPUs, with the hypervisor built for debugging: every assertion of the
# scheduler is then a failure of this test.
#
# All guests are PV. QEMU's SVM (7.2) with a thread for each pCPU corrupts memory,
# that of dom0's processes too, when a PVH guest moves between pCPUs: with credit2
# as well, and with shadow paging as well as with nested paging. The demo has a
# PVH guest, which stays on one pCPU.

export GUEST_TIMEOUT=300
MEM_MB=112
SAVED=/dev/shm/saved
ERR=/tmp/stderr

# param DOMAIN COLUMN...: these columns of the domain's line, as COLUMN=VALUE.
param() {
    local domain=$1
    shift
    xl sched-activity -d "$domain" | awk -v want=" $* " '
        NR == 1 { split($0, name) }
        NR == 2 { for (i = 1; i <= NF; i++) if (index(want, " " name[i] " "))
                      printf "%s%s=%s", sep, name[i], $i, sep = " " }'
}

# has DOMAIN COLUMN=VALUE...: all of them are so; columns in their order.
has() {
    local domain=$1 got
    shift
    # shellcheck disable=SC2068
    got=$(param "$domain" ${@%%=*})
    [ "$got" = "$*" ] || { say "$domain has $got, not $*"; return 1; }
}

# Everything that can be set, but for what is left of leases.
settings() {
    xl sched-activity |
        awk '/^Cpupool/ { print; next } { print $1, $2, $3, $4, $5 }'
}

# same_settings BEFORE: what was refused has changed nothing.
same_settings() {
    local now
    now=$(settings)
    if [ "$now" = "$1" ]; then
        ok "what is refused changes nothing"
    else
        diff <(echo "$1") <(echo "$now") || true
        not_ok "what is refused changes nothing"
    fi
}

# refused TEXT XL-ARGUMENT...: fails, and says why in one line.
refused() {
    local text=$1 rc=0 lines
    shift
    xl "$@" > /tmp/stdout 2> $ERR || rc=$?
    lines=$(wc -l < $ERR)
    if [ $rc -eq 0 ]; then
        not_ok "$text: refused"
    elif [ "$lines" -ne 1 ]; then
        not_ok "$text: refused in one line, not $lines"
        cat $ERR
    else
        ok "$text: $(cat $ERR)"
    fi
}

# json DOMAIN KEY: a value of its sched_params.
json() {
    xl list -l "$1" | sed -n '/"sched_params"/,/}/s/[",]//gp' |
        awk -v key="$2:" '$1 == key { print $2 }'
}

exists() { xl domid "$1" > /dev/null 2>&1; }
gone() { ! exists "$1"; }
cpu_ms() { xl list "$1" | awk 'NR == 2 { print int($NF * 1000) }'; }

# vcpus_are DOMAIN NUMBER: so many are online.
vcpus_are() {
    [ "$(xl vcpu-list "$1" | awk 'NR > 1 && $4 != "-"' | wc -l)" -eq "$2" ]
}

# share DOMAIN SECONDS: the CPU time it gets meanwhile, in permille of a pCPU.
share() {
    local cpu_ms start_ms
    cpu_ms=$(cpu_ms "$1")
    start_ms=$(date +%s%3N)
    sleep "$2"
    cpu_ms=$(($(cpu_ms "$1") - cpu_ms))
    echo $((cpu_ms * 1000 / ($(date +%s%3N) - start_ms)))
}

# between LOW VALUE HIGH
between() {
    if [ "$2" -lt "$1" ] || [ "$2" -gt "$3" ]; then
        say "$2 is not from $1 to $3"
        return 1
    fi
}

# alive DOMAIN: it gets CPU time.
# alive DOMAIN: its CPU time, which xl tells in tenths of a second, grows.
grown() { [ "$(cpu_ms "$1")" -gt "$2" ]; }
alive() {
    local before
    before=$(cpu_ms "$1")
    wait_for 60 "$1 to run" grown "$1" "$before"
}

# xen_is_well WHEN: nothing that a maintainer would have to look at.
xen_is_well() {
    xl dmesg > /tmp/dmesg
    if grep -E 'Assertion|Xen (WARN|BUG) at|call trace' /tmp/dmesg; then
        not_ok "no assertion or warning in Xen $1"
    else
        ok "no assertion or warning in Xen $1"
    fi
}

test_pool() {
    local before

    check "xl info names the scheduler" \
        grep -q '^xen_scheduler *: activity$' <(xl info)
    check "the list starts with the pool's parameters" \
        grep -q '^Cpupool Pool-0: ratelimit=1000us' <(xl sched-activity)
    check "Domain-0 has the defaults" \
        has Domain-0 Weight=256 Cap=0 Urgency=normal 'Lease(ms)=0'

    check "-s sets one parameter" xl sched-activity -s -M 5000
    check "-s shows it" grep -q 'slice-max=5000us' <(xl sched-activity -s)
    check "-s sets several" \
        xl sched-activity -s -p Pool-0 -r 0 -m 100 -M 20000 -D 4000
    check "-s shows them" grep -q \
        'ratelimit=0us slice-min=100us slice-max=20000us debt-max=4000us' \
        <(xl sched-activity -s)
    before=$(settings)
    refused "rate limit above its limit" sched-activity -s -r 500001
    refused "shortest slice too short" sched-activity -s -m 49
    refused "shortest slice above longest" sched-activity -s -m 20001
    refused "longest slice too long" sched-activity -s -M 100001
    refused "debt above its limit" sched-activity -s -D 1000001
    refused "rate limit that is no number" sched-activity -s -r 1ms
    refused "parameters without -s" sched-activity -r 1000
    refused "unknown pool" sched-activity -s -p nowhere
    same_settings "$before"
    check "-s sets them back" \
        xl sched-activity -s -r 1000 -m 500 -M 10000 -D 20000
}

test_domain() {
    local before

    check "cpu_weight and cap of xl.cfg are set" \
        has many Weight=300 Cap=60 Urgency=normal
    check "others have the defaults" has quiet Weight=256 Cap=0

    check "weight is set" xl sched-activity -d quiet -w 512
    check "cap is set" xl sched-activity -d quiet -c 150
    check "urgency is set" xl sched-activity -d quiet -b interactive -t 600000
    check "each left the others alone" \
        has quiet Weight=512 Cap=150 Urgency=interactive
    check "weight alone is set" xl sched-activity -d quiet -w 65535
    check "and only that" has quiet Weight=65535 Cap=150 Urgency=interactive
    check "cap alone is lifted" xl sched-activity -d quiet -c 0
    check "and only that" has quiet Weight=65535 Cap=0 Urgency=interactive
    check "a lease is counted down" \
        between 500000 "$(param quiet 'Lease(ms)' | tr -dc 0-9)" 599999
    check "weight, cap and urgency are set at once" \
        xl sched-activity -d quiet -w 1 -c 200 -b critical -t 8000
    check "and all are set" has quiet Weight=1 Cap=200 Urgency=critical
    sleep 8
    check "an urgency ends with its lease" \
        has quiet Weight=1 Cap=200 Urgency=normal 'Lease(ms)=0'
    check "background, with the lease's default" \
        xl sched-activity -d quiet -b background
    check "it is set" has quiet Urgency=background
    check "an urgency can be taken back" xl sched-activity -d quiet -b normal
    check "it is normal" has quiet Weight=1 Cap=200 Urgency=normal

    before=$(settings)
    refused "weight 0" sched-activity -d quiet -w 0
    refused "weight 65536" sched-activity -d quiet -w 65536
    refused "weight -1" sched-activity -d quiet -w -1
    refused "weight that is no number" sched-activity -d quiet -w heavy
    refused "weight with something behind it" sched-activity -d quiet -w 5O
    refused "no weight" sched-activity -d quiet -w ""
    refused "cap above 100 for each vCPU" sched-activity -d quiet -c 201
    refused "negative cap" sched-activity -d quiet -c -1
    refused "good weight with a bad cap" sched-activity -d quiet -w 700 -c 201
    refused "good weight with a bad urgency" \
        sched-activity -d quiet -w 700 -b soon
    refused "urgency unknown" sched-activity -d quiet -b unknown
    refused "lease too short" sched-activity -d quiet -b critical -t 9
    refused "lease too long" sched-activity -d quiet -b critical -t 600001
    refused "lease for normal" sched-activity -d quiet -b normal -t 100
    refused "lease without urgency" sched-activity -d quiet -t 100
    refused "weight without a domain" sched-activity -w 256
    refused "pool and domain" sched-activity -p Pool-0 -d quiet
    refused "unknown domain" sched-activity -d nobody -w 256
    refused "a word too many" sched-activity -d quiet -w 256 512
    same_settings "$before"

    sed 's/"quiet"/"bad"/' "$GUEST_DIR/quiet.cfg" > "$GUEST_DIR/bad.cfg"
    check_fails "xl create with a bad weight fails" \
        xl create -q "$GUEST_DIR/bad.cfg" cpu_weight=0
    check_fails "xl create with a bad cap fails" \
        xl create -q "$GUEST_DIR/bad.cfg" cap=201
    check "and they leave nothing behind" gone bad
    check_fails "another scheduler's parameters are refused" \
        xl sched-rtds -d quiet -v 0 -p 1 -b 1 -e 0
    # It has yet to boot, beside two busy guests.
    xl sched-activity -d quiet -w 256 -c 0
}

test_json() {
    check "xl list -l works for all" grep -q '"name": "quiet"' <(xl list -l)
    xl sched-activity -d quiet -w 333 -c 50 -b interactive -t 600000
    check "xl list -l: scheduler" [ "$(json quiet sched)" = activity ] ||
        xl list -l quiet | grep -A 3 sched_params
    check "xl list -l: weight" [ "$(json quiet weight)" = 333 ]
    check "xl list -l: cap" [ "$(json quiet cap)" = 50 ]
}

test_save() {
    check "a domain is saved" xl save quiet $SAVED
    check "it is gone" gone quiet
    check "it is restored" xl restore $SAVED
    check "with its weight and cap" has quiet Weight=333 Cap=50
    check "but without its lease" has quiet Urgency=normal
    rm -f $SAVED
    check "it runs" alive quiet
}

test_vcpus() {
    local vcpu name vcpus

    # "many" has 4 vCPUs on 2 pCPUs and is capped; "trio" has 3.
    check "a cap of 60% is kept" between 540 "$(share many 5)" 660
    xl sched-activity -d many -c 5
    check "a cap of 5% is kept" between 30 "$(share many 5)" 70
    xl sched-activity -d many -c 0
    check "without a cap it gets more" between 700 "$(share many 5)" 1100

    for vcpu in 0 1 2 3; do
        xl vcpu-pin many $vcpu $((vcpu % 2))
    done
    sleep 1
    check "each vCPU is where it is pinned" awk '
        NR > 1 && $3 % 2 != $4 { bad = 1 } END { exit bad }' \
        <(xl vcpu-list many)
    xl vcpu-pin many all 1
    sleep 1
    check "all on one pCPU" awk 'NR > 1 && $4 != 1 { bad = 1 }
        END { exit bad }' <(xl vcpu-list many)
    check "it runs there" alive many
    xl vcpu-pin many all - 0
    xl vcpu-pin many all all all

    while read -r name vcpus; do
        xl vcpu-set "$name" 1
        check "$name: vCPUs are taken away" \
            wait_for 30 "$name to let them go" vcpus_are "$name" 1
        check "$name: it runs with one" alive "$name"
        xl vcpu-set --ignore-host "$name" "$vcpus"
        check "$name: and they are given back" \
            wait_for 30 "$name to take them" vcpus_are "$name" "$vcpus"
        check "$name: it runs with all" alive "$name"
    done <<< $'many 4\ntrio 3'

    check "a domain is paused" xl pause many
    check "it gets no time" [ "$(share many 2)" -eq 0 ]
    check "its settings can be changed" xl sched-activity -d many -w 128 -c 30
    check "it is unpaused" xl unpause many
    check "it runs" alive many
    for _ in {1..20}; do
        xl pause many
        xl unpause many
    done
    check "after twenty pauses its cap is kept" \
        between 270 "$(share many 5)" 330
}

test_pools() {
    check "a pCPU is taken out of the pool" xl cpupool-cpu-remove Pool-0 1
    check "what ran there runs" alive many
    check "a pool with sched=\"activity\" is made" \
        xl cpupool-create 'name="second"' 'sched="activity"' 'cpus=["1"]'
    check "it is listed" grep -q '^second .* activity ' <(xl cpupool-list)
    check "its parameters are its own" xl sched-activity -s -p second -M 2000
    check "the first pool kept its" \
        grep -q 'slice-max=10000us' <(xl sched-activity -s -p Pool-0)

    # A cap so small that the domain waits for budget nearly always.
    for _ in {1..5}; do
        xl sched-activity -d many -c 2
        sleep 0.5
        xl cpupool-migrate many second
        xl sched-activity -d many -c 2
        sleep 0.5
        xl cpupool-migrate many Pool-0
    done
    ok "a capped domain is moved ten times"
    check "a move keeps weight and cap" has many Weight=128 Cap=2
    xl sched-activity -d many -c 0
    xl cpupool-migrate many second
    check "the list of a pool shows its own domains" \
        grep -q '^many ' <(xl sched-activity -p second)
    check "it runs there as fast as the pCPU lets it" \
        between 700 "$(share many 4)" 1100
    check "a pool with credit2 beside it" bash -c '
        xl cpupool-migrate many Pool-0 &&
        xl cpupool-destroy second &&
        xl cpupool-create "name=\"third\"" "sched=\"credit2\"" "cpus=[\"1\"]" &&
        xl cpupool-migrate many third'
    check_fails "its domains have nothing for sched-activity" \
        xl sched-activity -d many -w 100
    check "credit2 has them" xl sched-credit2 -d many -w 100
    check "it runs there" alive many
    check "everything goes back" bash -c '
        xl cpupool-migrate many Pool-0 &&
        xl cpupool-destroy third &&
        xl cpupool-cpu-add Pool-0 1'
    check "it runs" alive many
}

test_ends() {
    guest_create crasher 2 all $MEM_MB pv "crash,seconds=1" "cap=120"
    guest_wait_ready crasher
    guest_go crasher
    wait_for 60 "the crash of a PV guest" gone crasher
    ok "a PV guest crashed"
    xl sysrq quiet c
    wait_for 60 "the crash by xl sysrq" gone quiet
    ok "a capped guest crashed"
    check "a busy guest is destroyed" xl destroy trio
    xl sched-activity -d many -c 1
    xl pause many
    check "a capped and paused guest is destroyed" xl destroy many
    check "nothing is left" [ "$(xl list | wc -l)" -eq 2 ]
    for _ in 1 2 3; do
        guest_create brief 4 all $MEM_MB pv idle "cap=10"
        xl destroy brief
    done
    ok "guests are destroyed while they boot"
}

test_dump() {
    xl debug-keys r
    sleep 1
    xl dmesg -c > /tmp/dmesg
    check "the debug key shows the scheduler" \
        grep -q 'Scheduler: Activity Scheduler' /tmp/dmesg
    check "and its domains" grep -q 'd0 weight=2048' /tmp/dmesg
}

test_pool
# dom0 does everything here: with the weight of a guest, most of the test's time
# would be spent waiting for it.
xl sched-activity -d Domain-0 -w 2048
guest_create quiet 2 all $MEM_MB pv idle,seconds=3600
guest_create many 4 all $MEM_MB pv hog,seconds=3600 "cpu_weight=300" "cap=60"
guest_create trio 3 all $MEM_MB pv hog,seconds=3600
test_domain
guest_wait_ready quiet many trio
guest_go quiet many trio
xen_is_well "after guests booted"
test_json
test_dump
test_save
test_vcpus
xen_is_well "after vCPUs were moved"
test_pools
xen_is_well "after pools came and went"
test_dump
test_ends
xen_is_well "at the end"
checks_passed
