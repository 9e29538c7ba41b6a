# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# xen-run: --sched credit2 --timeout 400
#
# avmd on a scheduler that it was not made for: it says what it cannot do there,
# watches, and changes weight and cap.

GUEST_TIMEOUT=300
LOG=/tmp/avmd.log

credit2() { # COLUMN
    xl sched-credit2 -d burn | awk -v column="$1" '
        NR == 1 { for (i = 1; i <= NF; i++) if ($i == column) field = i }
        END { print $field }'
}
cap_is() { [ "$(credit2 Cap)" = "$1" ]; }

mkdir -p /etc/avm
cat > /etc/avm/avm.conf <<EOF
mode = "auto"
sample_ms = 500
decide_ms = 1000
hold_decisions = 2
warmup_ms = 0
cooldown_ms = 1000
EOF
guest_create burn 1 1 112 pv hog,seconds=3600
guest_wait_ready burn
guest_go burn

avmd_start $LOG
check "it says which scheduler there is" grep -q 'scheduler credit2' $LOG
check "and what it cannot do there" grep -q 'no urgency' $LOG
check "it watches" bash -c 'avm list | grep -q "^burn "'
avm list
avm explain burn
wait_for 30 "the class" bash -c \
    'avm list -j | grep -q "\"name\":\"burn\".*\"class\":\"cpu\""' &&
    ok "burn is of class cpu"
check "avm set" avm set burn -w 300
check "xl sees it" [ "$(credit2 Weight)" = 300 ]
check_fails "no urgency here" avm set burn -b critical
avm release burn
check "a need" avm need-set burn --cap=50 --role=time-critical
wait_for 30 "the cap" cap_is 50 && ok "it got its cap"
avm explain burn
avm history
kill $AVMD
RC=0
wait $AVMD || RC=$?
check "avmd ends well" [ $RC -eq 0 ]
check "the cap was kept" cap_is 50
cat $LOG
checks_passed
