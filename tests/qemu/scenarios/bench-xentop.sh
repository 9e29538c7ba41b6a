# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# What avmd costs dom0 beside xentop, both with a sample a second of the same guests,
# each of which reads from its disk. In CPU time as dom0's kernel counts it.
#
# xen-run: --sched activity --icount 1 --mem 4096 --timeout 3600 --file build/guest/workload

GUEST_TIMEOUT=600
GUESTS=20
SAMPLES=30
XENTOP=/usr/lib/xen-4.17/bin/xentop

# CPU time of a process until now, us
cpu_us() { awk '{ print int($1 / 1000) }' "/proc/$1/schedstat"; }

# xentop_us OPTION...: of its samples 2 to 1 + SAMPLES, us each
xentop_us() {
    local pid start
    $XENTOP -b -d 1 -i $((SAMPLES + 5)) "$@" > /avm/out/xentop.txt &
    pid=$!
    sleep 2
    start=$(cpu_us $pid)
    sleep $SAMPLES
    echo $((($(cpu_us $pid) - start) / SAMPLES))
    wait $pid
}

avmd_us() {
    local start
    start=$(cpu_us $AVMD)
    sleep $SAMPLES
    echo $((($(cpu_us $AVMD) - start) / SAMPLES))
}

modprobe bfq
head -c 16M /dev/zero | tr '\0' d > /dev/shm/disk.img
losetup /dev/loop7 /dev/shm/disk.img
xl vcpu-pin 0 0 1
NAMES=
for i in $(seq $GUESTS); do
    NAMES+=" vm$i"
    guest_create "vm$i" 1 0 96 pv "diskread bytes=4096 rate=5 seconds=3600" \
        'vif=["bridge=xenbr0"]' 'disk=["phy:/dev/loop7,xvda,r"]'
done
# shellcheck disable=SC2086
guest_wait_ready $NAMES
# shellcheck disable=SC2086
guest_go $NAMES
sleep 5

say "figures: $GUESTS guests, CPU time of a sample, us: xentop -b" \
    "$(xentop_us), xentop -b -f -n -x -v $(xentop_us -f -n -x -v)"
mkdir -p /etc/avm
echo 'mode = "auto"' > /etc/avm/avm.conf
avmd_start /tmp/avmd.log
sleep 10
say "figures: avmd with its defaults, all that it does, each sample: $(avmd_us)" \
    "$(avmd_us) $(avmd_us)"
xl list
avm list
grep -E 'VmHWM|VmRSS' /proc/$AVMD/status
checks_passed
