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
# device, in memory, with BFQ, which both read without end.

GUEST_TIMEOUT=300
LOG=/tmp/avmd.log
OUT=/avm/out
FAR=10.42.0.200
# The wire carries a little more than avmd is told, or packets would wait there.
WIRE=4mbit
LINK_BPS=400000
MEASURE_S=4
declare -A CLIENT

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
    tc qdisc add dev wire root tbf rate $WIRE burst 70kb limit 300kb
}

make_disk() {
    modprobe bfq
    head -c 16M /dev/zero | tr '\0' d > /dev/shm/disk.img
    losetup /dev/loop7 /dev/shm/disk.img
    echo bfq > /sys/block/loop7/queue/scheduler
}

# From far away, all that a guest can send, for so many seconds.
ask() { # NAME SECONDS
    ip netns exec far /avm/in/workload netclient host="$(guest_ip "$1")" \
        bytes=32768 seconds="$2" | sed -n 's/^AVM-RESULT //p' \
        > "$OUT/client-$1.json" &
    CLIENT[$1]=$!
}
answered() { wait "${CLIENT[$1]}" || true; }

field() { grep -o "\"$2\":[0-9]*" "$1" | head -n 1 | cut -d: -f2; }
# kB/s that a client got
got() { echo $(($(field "$OUT/client-$1.json" bytes) / 1000 / $2)); }

# sectors_of NAME: that blkback has read for it
sectors_of() {
    cat "/sys/bus/xen-backend/devices/vbd-$(xl domid "$1")-51712/statistics/rd_sect"
}
# reads NAME SECONDS...: kB/s, of all names during the same time
read_rates() { # SECONDS NAME...
    local seconds=$1 name
    local -A before
    shift
    for name in "$@"; do before[$name]=$(sectors_of "$name"); done
    sleep "$seconds"
    for name in "$@"; do
        READ[$name]=$((($(sectors_of "$name") - before[$name]) / 2 / seconds))
    done
}
declare -A READ

row() { avm history | grep -Eq "$1"; }
# is_at_least A PERCENT B: A is at least so much of B
is_at_least() { [ $(($1 * 100)) -ge $(($2 * $3)) ]; }

test_link() {
    local web backup
    ask web $MEASURE_S
    ask backup $MEASURE_S
    answered web
    answered backup
    web=$(got web $MEASURE_S) backup=$(got backup $MEASURE_S)
    say "figures: link, no roles: web $web kB/s, backup $backup kB/s"
    check "without roles both have about a half" \
        is_at_least $((web < backup ? web : backup)) 60 \
        $((web < backup ? backup : web))

    avm need-set web --role=interactive
    avm need-set backup --role=background
    ask web $((MEASURE_S + 14))
    ask backup $((2 * MEASURE_S + 14))
    wait_for 30 "web's share" row 'web .* net-share +100 +400 avmd +verified'
    wait_for 30 "backup's share" \
        row 'backup .* net-share +100 +25 avmd +verified'
    ok "the shares of the link follow the roles"
    avm explain web
    sleep 1
    local w b s=$SECONDS
    w=$(sent_by web) b=$(sent_by backup)
    sleep $MEASURE_S
    s=$((SECONDS - s))
    web=$((($(sent_by web) - w) / 1000 / s))
    backup=$((($(sent_by backup) - b) / 1000 / s))
    say "figures: link, web interactive and backup in the background:" \
        "web $web kB/s, backup $backup kB/s"
    check "web has at least 85% of what is sent" \
        is_at_least "$web" 85 $((web + backup))
    check "the link is used: $((web + backup)) kB/s of $((LINK_BPS / 1000))" \
        is_at_least $((web + backup)) 85 $((LINK_BPS / 1000))
    answered web
    s=$SECONDS b=$(sent_by backup)
    sleep 3
    backup=$((($(sent_by backup) - b) / 1000 / (SECONDS - s)))
    say "figures: link, web wants nothing: backup $backup kB/s"
    check "what web does not want is backup's" \
        is_at_least "$backup" 85 $((LINK_BPS / 1000))
    answered backup
    wait_for 60 "the shares to go back" \
        bash -c '! tc qdisc show dev up0 | grep -q htb'
    ok "with the reason gone the uplink is as it was before"
    avm history
}

# What a guest has sent, by its vif
sent_by() { cat "/sys/class/net/vif$(xl domid "$1").0/statistics/rx_bytes"; }

test_disk() {
    # As long as all below takes: dom0's pCPU is busy with it.
    guest_run desktop "diskread bytes=16384 seconds=40"
    guest_run scan "diskread bytes=65536 seconds=40"
    sleep 1
    read_rates $MEASURE_S desktop scan
    say "figures: disk, no roles: desktop ${READ[desktop]} kB/s," \
        "scan ${READ[scan]} kB/s"
    local before=${READ[desktop]}
    avm need-set desktop --role=interactive
    avm need-set scan --role=background
    wait_for 30 "desktop's share" \
        row 'desktop .* disk-share +100 +400 avmd +verified'
    wait_for 30 "scan's share" \
        row 'scan .* disk-share +100 +25 avmd +verified'
    ok "the shares of the disk follow the roles"
    avm explain scan
    sleep 1
    read_rates $MEASURE_S desktop scan
    say "figures: disk, desktop interactive and scan in the background:" \
        "desktop ${READ[desktop]} kB/s, scan ${READ[scan]} kB/s"
    check "desktop reads more than before, scan less than desktop" \
        [ "${READ[desktop]}" -gt "$before" -a \
        "${READ[scan]}" -lt "${READ[desktop]}" ]
    check "nobody starves" [ "${READ[scan]}" -gt 0 ]
}

test_ends() {
    kill -KILL $AVMD
    wait $AVMD || true
    check "after kill -9 the share stays" grep -q 25 \
        "/sys/fs/cgroup/avm/avm-$(xl domid scan)/io.bfq.weight"
    start_avmd
    kill -TERM $AVMD
    wait $AVMD || true
    check "on the way out it is dropped" \
        [ ! -e "/sys/fs/cgroup/avm/avm-$(xl domid scan)" ]
}

start_avmd() {
    avmd >> $LOG 2>&1 &
    AVMD=$!
    wait_for 30 "avmd to answer" avm info > /dev/null 2>&1
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
for name in desktop scan; do
    guest_create $name 1 0 112 pv idle 'vif=[]' \
        'disk=["phy:/dev/loop7,xvda,r"]'
done
guest_wait_ready web backup desktop scan
for name in web backup; do guest_run $name "netserver seconds=3600"; done
short_turns
start_avmd
test_link
test_disk
test_ends
cat $LOG
checks_passed
