# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# xen-run: --sched activity --debug --timeout 1400 --file build/guest/workload
#
# avmd and avm on real Xen: needs, modes, changes, what somebody else changes,
# kill -9, leases, a domain that goes, a database that cannot be used, bad input.

GUEST_TIMEOUT=300
LOG=/tmp/avmd.log
CONF=/etc/avm/avm.conf

configure() { # [LINE]...
    mkdir -p /etc/avm
    {
        echo 'mode = "observe"'
        echo 'sample_ms = 500'
        echo 'decide_ms = 1000'
        echo 'hold_decisions = 2'
        echo 'warmup_ms = 0'
        echo 'cooldown_ms = 1000'
        echo 'lease_ms = 4000'
        printf '%s\n' "$@"
    } > $CONF
}

stop_avmd() { # [SIGNAL]: sets RC
    RC=0
    kill "-${1:-TERM}" $AVMD
    wait $AVMD || RC=$?
}

# one_line TEXT STATUS REGEX COMMAND...: fails with it, and says why in one line
one_line() {
    local text=$1 status=$2 regex=$3 rc=0
    shift 3
    "$@" > /tmp/out 2> /tmp/err || rc=$?
    if [ $rc -ne "$status" ]; then
        not_ok "$text: exit $rc, not $status"
    elif [ "$(wc -l < /tmp/err)" -ne 1 ] || ! grep -Eq "$regex" /tmp/err; then
        not_ok "$text: says $(head -c 200 /tmp/err)"
    else
        ok "$text: $(cat /tmp/err)"
    fi
}

# is DOMAIN COLUMN VALUE: so says xl
is() { [ "$(sched_of "$1" "$2")" = "$3" ]; }

# row REGEX: the history has it
row() { avm history | grep -Eq "$1"; }
class_of() { xenstore-read "/local/domain/$(xl domid "$1")/avm/class"; }
has_class() { [ "$(class_of "$1" 2> /dev/null)" = "$2" ]; }
says() { grep -q "$1" $LOG; }
said_once() { [ "$(grep -c "$1" $LOG)" -eq 1 ]; }

test_before_avmd() {
    one_line "avm without avmd" 4 'avmd is not running' avm list
    check "a need can be set before avmd runs" \
        avm need-set beat --role=normal
    check "by domid" avm need-set "$(xl domid burn)" --weight-min=100
    check "they are there" \
        [ "$(avm need-list | grep -Ec '^(beat|burn) ')" -eq 2 ]
    one_line "an unknown role" 1 'king: no such role' \
        avm need-set beat --role=king
    one_line "an unknown domain" 2 'nobody: no such domain' \
        avm need-set nobody --role=normal
    configure 'sample_ms = fast'
    one_line "a bad configuration" 1 'avm.conf:8: sample_ms must be' avmd
    one_line "and avm finds it too" 1 'avm.conf:8: sample_ms' avm check-config
    configure
    one_line "avmd for users" 3 'must be run as root' \
        setpriv --reuid 65534 --clear-groups avmd
}

test_watching() {
    avmd_start $LOG
    check "avmd says what it found" says 'scheduler activity'
    one_line "a second avmd" 1 "already running, pid $AVMD\$" avmd
    check "the first one goes on" avm info
    check "the socket is for root" [ "$(stat -c %a /run/avm/control.sock)" \
        = 600 ]
    wait_for 30 "the classes" has_class burn cpu
    ok "burn is of class cpu"
    local path
    path=/local/domain/$(xl domid burn)/avm
    check "version is published" [ "$(xenstore-read "$path/version")" = 1 ]
    check "the guest may read it, and not write it" [ 3 -eq "$(
        xenstore-ls -fp | grep "^$path" |
            grep -c "(n0,r$(xl domid burn))")" ]
    check "avm list has them" [ "$(avm list | grep -Ec '^(burn|beat) ')" -eq 2 ]
    check "avm list -j is the same" bash -c \
        'avm list -j | grep -q "\"name\":\"burn\""'
    avm list
    avm info
    avm plan
    check "avm explain says what was measured" \
        bash -c 'avm explain burn | grep -q "class: cpu"'
    avm explain
    check "nothing was changed" [ "$(avm history | wc -l)" -eq 1 ]
}

test_bad_input() {
    local w
    one_line "explain nobody" 2 'nobody: no such domain' avm explain nobody
    one_line "hold 999" 2 '999: no such domain' avm hold 999
    for w in 0 -1 65536 1e3 x ''; do
        one_line "weight '$w'" 1 'weight must be' avm set burn -w "$w"
    done
    one_line "cap above its vCPUs" 1 'cap must be' avm set burn -w 99 -c 101
    one_line "an unknown urgency" 1 'no such urgency' avm set burn -b very
    one_line "dom0" 1 'Domain-0' avm set 0 -w 100
    one_line "an unknown mode" 1 'no such mode' avm mode fast
    one_line "an unknown verb" 1 'no such subcommand' avm reboot
    check "and nothing was changed" is burn Weight 256
}

test_by_hand() {
    check "avm set" avm set burn -w 300
    check "xl sees it" is burn Weight 300
    check "it is in the history" row 'burn .*weight +256 +300 admin +verified'
    xl sched-activity -d burn -w 400
    wait_for 10 "the foreign change" row 'burn .*300 +400 foreign' &&
        ok "what xl changed was noticed"
    avm release burn
}

test_auto() {
    avm mode auto
    avm mode -d burn observe
    avm need-set beat --role=time-critical
    wait_for 20 "the urgency" is beat Urgency critical &&
        ok "a time-critical domain got its urgency"
    check "with the reason in the history" row 'beat .*critical avmd +verified'
    avm need-set burn --cap=40
    sleep 4
    check "burn is in observe: left alone" is burn Cap 0
    avm explain burn
    avm mode -d burn inherit
    wait_for 20 "the cap" is burn Cap 40 &&
        ok "back in auto it gets what it needs"
    sleep 6
    check "the lease is renewed" is beat Urgency critical
    avm history
}

test_kill() {
    stop_avmd KILL
    one_line "avm after kill -9" 4 'not running' avm list
    check "history can be read all the same" row 'beat .*critical'
    check "the host goes on" xl list
    wait_for 15 "the lease to end" is beat Urgency normal &&
        ok "the urgency fell back by itself"
    check "the cap stays" is burn Cap 40
    avmd_start $LOG
    check "it took over what was changed" says 'took over'
    avm mode auto
    wait_for 20 "the urgency" is beat Urgency critical &&
        ok "and goes on with the job"
    check "avm revert" avm revert burn
    check "gives back what was before all" is burn Cap 0
    avm release burn
    wait_for 20 "the cap" is burn Cap 40
}

gone() { ! avm explain "$1" > /dev/null 2>&1; }

test_destroy() {
    local i
    for i in 1 2; do
        guest_create brief 1 1 112 pv idle,seconds=60
        avm set brief -w $((i * 100)) &
        xl destroy brief
        wait $! || true
    done
    check "avmd survives guests that come and go" avm info
    # It is known until the next sample.
    wait_for 10 "avmd to see that it is gone" gone brief
    one_line "a destroyed guest" 2 'no such domain' avm explain brief
}

test_stop() {
    stop_avmd
    check "avmd ends well" [ "$RC" -eq 0 ]
    check "urgency was dropped at once" is beat Urgency normal
    check "the cap was kept" is burn Cap 40
    check "nothing is left in xenstore" \
        bash -c '! xenstore-ls -f /local/domain | grep -q /avm'
    configure 'on_exit = "revert"'
    avmd_start $LOG
    stop_avmd INT
    check "on_exit=revert gives it back" is burn Cap 0
}

test_database() {
    configure 'mode = "auto"'
    echo 'this is not a database' > /var/lib/avm/avm.db
    rm -f /var/lib/avm/avm.db-*
    avmd_start $LOG
    check "a corrupt database is kept aside" \
        [ "$(find /var/lib/avm -name 'avm.db.corrupt-*' | wc -l)" -eq 1 ]
    check "and said once" said_once 'was corrupt'
    check "the new one works" avm need-set beat --role=time-critical
    wait_for 20 "the urgency" is beat Urgency critical
    stop_avmd
    check "on the way out urgency is dropped" is beat Urgency normal

    mkdir -p /tmp/tiny
    mount -t tmpfs -o size=128k tiny /tmp/tiny
    configure 'mode = "auto"' 'state_dir = "/tmp/tiny"'
    avm need-set burn --cap=30
    head -c 1M /dev/zero > /tmp/tiny/fill 2> /dev/null || true
    avmd_start $LOG
    sleep 5
    check "with a full disk nothing is changed" is burn Cap 0
    check "and that is said once" said_once 'nothing is changed'
    check "watching goes on" has_class burn cpu
    one_line "avm set with a full disk" 1 'nothing (was|is) changed' \
        avm set burn -w 200
    rm /tmp/tiny/fill
    wait_for 20 "the cap" is burn Cap 30 &&
        ok "with room again it goes on"
    stop_avmd
}

# rate_of DOMAIN FIELD: bytes per second in the last few windows
rate_of() {
    avm list -j | tr '{' '\n' | grep "\"name\":\"$1\"" |
        grep -o "\"$2\":[0-9]*" | cut -d: -f2
}
between() { [ "$(rate_of "$1" "$2")" -ge "$3" ] && [ "$(rate_of "$1" "$2")" -le "$4" ]; }

# limit_in VIF RATE: as tc prints it, or none
limit_in() {
    local now
    now=$(tc qdisc show dev "$1" |
        sed -n 's/^qdisc tbf a7a1: root .*rate \([^ ]*\).*/\1/p')
    check "net-in of $1 is $2" [ "${now:-none}" = "$2" ]
}

test_limits() {
    local backend group vif
    vif=vif$(xl domid sender).0
    backend=/local/domain/0/backend/vif/$(xl domid sender)/0
    group=/sys/fs/cgroup/avm/avm-$(xl domid reader)
    avm need-rm burn
    configure 'mode = "auto"'
    avmd_start $LOG
    one_line "a rate without a unit" 1 'net-max must be like' \
        avm need-set sender --net-max=100
    one_line "a disk rate that is none" 1 'disk-max must be like' \
        avm need-set reader --disk-max=fast
    /avm/in/workload netclient host="$(guest_ip sender)" bytes=16384 \
        seconds=3600 > /dev/null 2>&1 &
    CLIENT=$!
    wait_for 60 "sender to send" between sender net_bps 1000 1000000000
    wait_for 60 "reader to read" between reader disk_bps 1000 10000000000
    say "without limits: $(rate_of sender net_bps) B/s sent," \
        "$(rate_of reader disk_bps) B/s read"

    avm need-set sender --net-max=150kB/s
    avm need-set reader --disk-max=200kB/s
    check "avm need-list has them" [ 2 -eq "$(avm need-list |
        grep -Ec '150kB/s +none|none +200kB/s')" ]
    wait_for 20 "the rate" \
        row 'sender .* net-out +none +150kB/s avmd +verified' &&
        ok "netback has its rate: $(xenstore-read "$backend/rate")"
    wait_for 20 "io.max" row 'reader .* disk +none +200kB/s avmd +verified' &&
        ok "blkback's threads have theirs: $(cat "$group/io.max")"
    wait_for 60 "sender to send less" between sender net_bps 1 200000 &&
        ok "net-max holds: $(rate_of sender net_bps) B/s"
    wait_for 60 "reader to read less" between reader disk_bps 1 230000 &&
        ok "disk-max holds: $(rate_of reader disk_bps) B/s"

    xenstore-rm "$backend/rate"
    wait_for 20 "the foreign change" \
        row 'sender .* net-out +150kB/s +none foreign' &&
        ok "who took the rate away is noticed"

    limit_in "$vif" none
    avm need-set sender --net-in-max=100kB/s
    wait_for 20 "what it may receive" \
        row 'sender .* net-in +none +100kB/s avmd +verified' &&
        ok "its vif has a TBF: $(tc qdisc show dev "$vif")"
    limit_in "$vif" 800Kbit
    check "avm explain has it" bash -c \
        'avm explain sender | grep -q "^now: .*net-in 100 kB/s"'
    avm need-set sender --net-in-max=none
    wait_for 60 "its end" \
        row 'sender .* net-in +100kB/s +none avmd +verified' &&
        ok "with its need gone it ends"
    limit_in "$vif" none

    tc qdisc add dev "$vif" root handle 77: pfifo
    avm need-set sender --net-in-max=200kB/s
    wait_for 20 "what is said of a foreign qdisc" \
        says 'has a qdisc that is not ours: left alone' &&
        ok "a foreign qdisc is left alone"
    sleep 10
    check "that is said once" said_once 'has a qdisc that is not ours'
    check "and it is still there" \
        bash -c "tc qdisc show dev $vif | grep -q '^qdisc pfifo 77: root'"
    tc qdisc del dev "$vif" root
    wait_for 90 "the limit when that is gone" \
        row 'sender .* net-in +none +200kB/s avmd +verified' &&
        ok "when it is gone the need is met"
    limit_in "$vif" 1600Kbit

    stop_avmd KILL
    check "after kill -9 the limit of the disk stays" \
        grep -q rbps=200000 "$group/io.max"
    limit_in "$vif" 1600Kbit
    avmd_start $LOG
    stop_avmd
    check "on the way out it is dropped" [ ! -e "$group" ]
    limit_in "$vif" none
    kill $CLIENT
    wait $CLIENT || true
}

configure
head -c 16M /dev/zero | tr '\0' d > /dev/shm/reader.img
guest_create sender 1 1 112 pv netserver,seconds=3600
guest_create reader 1 1 112 pv diskread,seconds=3600,bytes=65536 \
    'disk=["/dev/shm/reader.img,raw,xvda,rw"]'
guest_create burn 1 1 112 pv hog,seconds=3600
guest_create beat 1 1 112 pv periodic,seconds=3600,period_us=50000,work_us=1000
test_before_avmd
guest_wait_ready burn beat sender reader
guest_go burn beat sender reader
test_watching
test_bad_input
test_by_hand
test_auto
test_kill
test_destroy
test_stop
test_database
test_limits
check "no complaint of Xen" bash -c \
    '! xl dmesg | grep -E "ASSERT|BUG|WARN|Xen call trace"'
cat $LOG
checks_passed
