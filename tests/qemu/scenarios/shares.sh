# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# A link and a disk that two guests share, on real Xen: alike while avmd has no word
# of them, by role when it has, all for one when the other wants nothing, and as
# before when the reason is gone.
#
# xen-run: --sched activity --icount 1 --timeout 1500 --file build/guest/workload
#
# The link: the bridge of the guests has a port, up0, which leads to a switch (br1)
# with a slow wire to somebody far away, who asks both for data. The disk: one loop
# device, in memory, with BFQ, of which both read a partition without end.

GUEST_TIMEOUT=300
LOG=/tmp/avmd.log
FAR=10.42.0.200
# The wire carries a little more than avmd is told, or packets would wait there.
WIRE=4mbit
LINK_BPS=400000
declare -A CLIENT DOMID

make_link() {
    modprobe -a veth sch_tbf
    ip link add up0 type veth peer name sw0
    ip link add br1 type bridge
    ip link set br1 type bridge stp_state 0 forward_delay 0
    ip link add wire type veth peer name far
    ip link set up0 master xenbr0
    ip link set sw0 master br1
    ip link set wire master br1
    ip netns add far
    ip link set far netns far
    ip -n far address add $FAR/24 dev far
    ip -n far link set far up
    for dev in br1 up0 sw0 wire; do ip link set $dev up; done
    # Room for bursts of all of HTB's classes: what is lost here is nobody's doing.
    tc qdisc add dev wire root tbf rate $WIRE burst 70kb limit 300kb
}

# BFQ takes those who read close to each other (within 4 MiB) for one, whatever their
# weights: so the partitions, 1 and 2, are farther apart than that.
make_disk() {
    local part
    modprobe bfq
    head -c 64M /dev/zero | tr '\0' d > /dev/shm/disk.img
    losetup -P /dev/loop7 /dev/shm/disk.img
    addpart /dev/loop7 1 2048 49152
    addpart /dev/loop7 2 81920 49152
    for part in 1 2; do
        # shellcheck disable=SC2046
        mknod /dev/part$part b \
            $(tr : ' ' < /sys/block/loop7/loop7p$part/dev)
    done
    echo bfq > /sys/block/loop7/queue/scheduler
    # Or who is new to it may go before all weights; and who has one request at a time
    # is served between those of another, and never gets the turn that weights are for.
    echo 0 > /sys/block/loop7/queue/iosched/low_latency
    echo 1 > /sys/block/loop7/queue/iosched/strict_guarantees
}

# From far away, answers of so many bytes one after the other, until let_be. With long
# ones a guest sends all the time; with short ones two get the same, as TCP would take
# longer than this to see to that.
LONG=1048576 SHORT=32768
ask() { # NAME BYTES
    ip netns exec far /avm/in/workload netclient host="$(guest_ip "$1")" \
        bytes="$2" seconds=3600 > /dev/null &
    CLIENT[$1]=$!
}
let_be() {
    kill "${CLIENT[$1]}"
    wait "${CLIENT[$1]}" || true
}

# What blkback has read for a guest, and what the guest has sent, by its vif
read_by() {
    local vbd=/sys/bus/xen-backend/devices/vbd-${DOMID[$1]}-51712
    echo $((512 * $(cat "$vbd/statistics/rd_sect")))
}
sent_by() { cat "/sys/class/net/vif${DOMID[$1]}.0/statistics/rx_bytes"; }

# rates SECONDS COUNTER NAME...: RATE[NAME] is then so many kB/s, over the same time
declare -A RATE
rates() {
    local seconds=$1 counter=$2 name start
    local -A before
    shift 2
    for name in "$@"; do before[$name]=$($counter "$name"); done
    start=${EPOCHREALTIME/./}
    sleep "$seconds"
    for name in "$@"; do
        RATE[$name]=$((($($counter "$name") - before[$name]) * 1000 /
            (${EPOCHREALTIME/./} - start)))
    done
}

row() { avm history | grep -Eq "$1"; }
# is_at_least A PERCENT B: A is at least so much of B
is_at_least() { [ $(($1 * 100)) -ge $(($2 * $3)) ]; }

test_link() {
    local web backup
    ask web $SHORT
    ask backup $SHORT
    sleep 2
    rates 8 sent_by web backup
    web=${RATE[web]} backup=${RATE[backup]}
    say "figures: link, no roles: web $web kB/s, backup $backup kB/s"
    check "without roles both have about a half" \
        is_at_least $((web < backup ? web : backup)) 60 \
        $((web < backup ? backup : web))

    let_be web
    let_be backup
    avm need-set web --role=interactive
    avm need-set backup --role=background
    ask web $LONG
    ask backup $LONG
    wait_for 30 "web's share" row 'web .* net-share +100 +400 avmd +verified'
    wait_for 30 "backup's share" \
        row 'backup .* net-share +100 +25 avmd +verified'
    ok "the shares of the link follow the roles"
    avm explain web
    # Anew: TCP remembers what was lost when all waited in one queue.
    let_be web
    let_be backup
    ask web $LONG
    ask backup $LONG
    sleep 4
    rates 12 sent_by web backup
    web=${RATE[web]} backup=${RATE[backup]}
    say "figures: link, web interactive and backup in the background:" \
        "web $web kB/s, backup $backup kB/s"
    check "web has at least 85% of what is sent" \
        is_at_least "$web" 85 $((web + backup))
    check "the link is used: $((web + backup)) kB/s of $((LINK_BPS / 1000))" \
        is_at_least $((web + backup)) 85 $((LINK_BPS / 1000))
    let_be web
    sleep 1
    rates 8 sent_by backup
    say "figures: link, web wants nothing: backup ${RATE[backup]} kB/s"
    check "what web does not want is backup's" \
        is_at_least "${RATE[backup]}" 85 $((LINK_BPS / 1000))
    let_be backup
    wait_for 60 "the shares to go back" \
        bash -c '! tc qdisc show dev up0 | grep -q htb'
    ok "with the reason gone the uplink is as it was before"
    avm history
}

# weighs NAME WEIGHT: its blkback thread is in a group of that weight
weighs() {
    local group=/sys/fs/cgroup/avm/avm-${DOMID[$1]} thread
    thread=$(pgrep -x "${DOMID[$1]}.xvda-0")
    grep -qx "default $2" "$group/io.bfq.weight" &&
        grep -qx "$thread" "$group/cgroup.threads"
}

test_disk() {
    local before
    guest_run desktop "diskread bytes=16384 seconds=3600"
    guest_run scan "diskread bytes=65536 seconds=3600"
    sleep 1
    rates 3 read_by desktop scan
    say "figures: disk, no roles: desktop ${RATE[desktop]} kB/s," \
        "scan ${RATE[scan]} kB/s"
    before=${RATE[desktop]}
    avm need-set desktop --role=interactive
    avm need-set scan --role=background
    wait_for 30 "desktop's share" \
        row 'desktop .* disk-share +100 +400 avmd +verified'
    wait_for 30 "scan's share" \
        row 'scan .* disk-share +100 +25 avmd +verified'
    ok "the shares of the disk follow the roles"
    avm explain scan
    check "desktop's thread has its weight" weighs desktop 400
    check "scan's thread has its weight" weighs scan 25
    sleep 1
    rates 3 read_by desktop scan
    say "figures: disk, desktop interactive and scan in the background:" \
        "desktop ${RATE[desktop]} kB/s, scan ${RATE[scan]} kB/s"
    check "desktop reads more than before" [ "${RATE[desktop]}" -gt "$before" ]
    check "desktop reads at least three times as much as scan" \
        is_at_least "${RATE[desktop]}" 300 "${RATE[scan]}"
    check "scan does not starve" [ "${RATE[scan]}" -gt 0 ]
    # dom0 is busy with their reads.
    guest_stop desktop scan
}

test_ends() {
    kill -KILL $AVMD
    wait $AVMD || true
    check "after kill -9 the share stays" grep -q 25 \
        "/sys/fs/cgroup/avm/avm-${DOMID[scan]}/io.bfq.weight"
    avmd_start $LOG
    kill -TERM $AVMD
    wait $AVMD || true
    check "on the way out it is dropped" \
        [ ! -e "/sys/fs/cgroup/avm/avm-${DOMID[scan]}" ]
}

mkdir -p /etc/avm
cat > /etc/avm/avm.conf <<CONF
mode = "auto"
sample_ms = 500
decide_ms = 1000
hold_decisions = 2
warmup_ms = 0
cooldown_ms = 1000
uplink = "up0 $((LINK_BPS / 1000))kB/s"
CONF
xl vcpu-pin 0 0 1
make_link
make_disk
for name in web backup; do guest_create $name 1 0 112 pv idle; done
guest_create desktop 1 0 112 pv idle 'vif=[]' 'disk=["phy:/dev/part1,xvda,r"]'
guest_create scan 1 0 112 pv idle 'vif=[]' 'disk=["phy:/dev/part2,xvda,r"]'
guest_wait_ready web backup desktop scan
for name in web backup desktop scan; do DOMID[$name]=$(xl domid $name); done
for name in web backup; do guest_run $name "netserver seconds=3600"; done
short_turns
avmd_start $LOG
test_link
test_disk
test_ends
cat $LOG
checks_passed
