# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# Guests that want the same pCPU, on real Xen: two that give each other what they do
# not need, two whose wishes do not fit together, one whose wish would be no use, and
# more time-critical work than there is room for. What is refused is then done by
# hand, to see that it was refused with reason.
#
# xen-run: --sched activity --icount 1 --timeout 1500 --file build/guest/workload

GUEST_TIMEOUT=300
LOG=/tmp/avmd.log
OUT=/avm/out
MEASURE_S=3
NAMES="web desk1 desk2 beat"
# Until guest_stop
HOG="hog pause=1 seconds=3600"
SERVER="netserver work_us=2000 seconds=3600"
declare -A DOMID CPU

# A field of the JSON of a report: value FILE OBJECT FIELD
value() {
    sed -n "s/.*\"$2\":{[^}]*\"$3\":\([0-9]*\).*/\1/p" "$1" | tail -n 1
}

# cpu_of NAME...: CPU[NAME] is then its part of the pCPU, permille
cpu_of() {
    local file=$OUT/cpu.jsonl name
    sampler $MEASURE_S $((MEASURE_S * 1000)) "${DOMID[@]}" > "$file"
    for name in "$@"; do
        CPU[$name]=$(awk -v domid="${DOMID[$name]}" '
            function after(key) {
                match($0, key "[0-9]+")
                return substr($0, RSTART + length(key), RLENGTH - length(key))
            }
            {
                t1 = t
                cpu1 = cpu
                t = after("\"ts_ns\":")
                cpu = after("\"domid\":" domid ",\"cpu_ns\":")
            }
            END { printf "%d\n", (cpu - cpu1) * 1000 / (t - t1) }' "$file")
    done
}
# The same, while dom0 asks some for answers, one after the other: P99[NAME], in us,
# and ANSWERS[NAME], in so many a second
declare -A ANSWERS P99
cpu_while_asked() { # ASKED... -- NAME...
    local asked=() clients=() name file
    while [ "$1" != -- ]; do
        asked+=("$1")
        /avm/in/workload netclient host="$(guest_ip "$1")" bytes=1024 \
            seconds=$((MEASURE_S + 1)) > "$OUT/client-$1.txt" &
        clients+=($!)
        shift
    done
    shift
    cpu_of "$@"
    wait "${clients[@]}"
    for name in "${asked[@]}"; do
        file=$OUT/client-$name.txt
        P99[$name]=$(value "$file" rtt_us p99)
        ANSWERS[$name]=$(($(grep -o '"ops":[0-9]*' "$file" | cut -d: -f2) /
            (MEASURE_S + 1)))
    done
}
# ask NAME: the same without end
declare -A CLIENT
ask() {
    /avm/in/workload netclient host="$(guest_ip "$1")" bytes=1024 \
        seconds=3600 > /dev/null &
    CLIENT[$1]=$!
}
let_be() {
    kill "${CLIENT[$1]}"
    wait "${CLIENT[$1]}" || true
}
# late NAME: p99 of how late it began, in us, when all that it was told is done
late() {
    guest_wait_ran "$1"
    guest_results "$1" | tail -n 1 > "$OUT/result-$1.json"
    value "$OUT/result-$1.json" late_us p99
}

row() { avm history | grep -Eq "$1"; }
explains() { avm explain "$1" | grep -Eq "$2"; }
# How often avmd changed such a thing so far
changes() { avm history | grep -c " $1 .* avmd "; }
at_least() { [ "$1" -ge "$2" ]; }
near() { [ "$1" -ge $(($2 - $3)) ] && [ "$1" -le $(($2 + $3)) ]; }
as_before() {
    xl sched-activity | awk '
        $1 == "Name" { for (i = 1; i <= NF; i++) column[$i] = i }
        /^(web|desk1|desk2|beat) / {
            n++
            if ($column["Weight"] != 256 || $column["Urgency"] != "normal")
                exit(bad = 1)
        }
        END { exit(bad || n != 4) }'
}
# Nobody is anything special, nobody does anything, nothing is changed any more.
start_anew() {
    local name
    # shellcheck disable=SC2086
    guest_wait_ran $NAMES
    for name in $NAMES; do avm need-set "$name" --role=normal; done
    wait_for 60 "all to go back" as_before
}

# A server that computes, and two that burn: who needs time and who has some to give
test_trade() {
    guest_run web "$SERVER"
    guest_run desk1 "$HOG"
    guest_run desk2 "$HOG"
    sleep 2
    cpu_while_asked web -- web desk1 desk2
    say "figures: trade, no roles: web ${ANSWERS[web]} answers/s, p99 ${P99[web]} us," \
        "CPU ${CPU[web]}, desk1 ${CPU[desk1]}, desk2 ${CPU[desk2]} permille"
    local answers=${ANSWERS[web]} p99=${P99[web]}
    avm need-set web --role=interactive
    avm need-set desk1 --role=background
    avm need-set desk2 --role=background
    ask web
    wait_for 30 "desk1 to give" row 'desk1 .* weight .* avmd +verified'
    wait_for 30 "desk2 to give" row 'desk2 .* weight .* avmd +verified'
    sleep 4
    avm explain web
    avm explain desk1
    let_be web
    cpu_while_asked web -- web desk1 desk2
    say "figures: trade, web interactive, the others in the background:" \
        "web ${ANSWERS[web]} answers/s, p99 ${P99[web]} us," \
        "CPU ${CPU[web]}, desk1 ${CPU[desk1]}, desk2 ${CPU[desk2]} permille"
    check "web answers more often" at_least "${ANSWERS[web]}" $((answers * 5 / 4))
    check "and sooner" at_least "$p99" "${P99[web]}"
    check "the others have all that web does not use" \
        at_least $((CPU[web] + CPU[desk1] + CPU[desk2])) 950
    cpu_of web desk1 desk2
    say "figures: trade, web wants nothing: CPU ${CPU[web]}," \
        "desk1 ${CPU[desk1]}, desk2 ${CPU[desk2]} permille"
    check "what web does not want is theirs" \
        at_least $((CPU[desk1] + CPU[desk2])) 950
    guest_stop web desk1 desk2
    start_anew
    ok "with the reason gone all weights are as before"
    avm history
}

# Two of the same role, each of which would use more than its half
test_no_room() {
    local before
    before=$(changes weight)
    avm need-set web --role=interactive
    avm need-set desk1 --role=interactive
    guest_run web "$SERVER"
    guest_run desk1 "$SERVER"
    ask web
    ask desk1
    wait_for 20 "the refusal" explains web 'would take from'
    sleep 2
    avm explain web
    let_be web
    let_be desk1
    cpu_while_asked web desk1 -- web desk1
    say "figures: no room, both interactive:" \
        "web ${ANSWERS[web]} answers/s, CPU ${CPU[web]} permille," \
        "desk1 ${ANSWERS[desk1]} answers/s, CPU ${CPU[desk1]} permille"
    check "both keep their half" near "${CPU[web]}" "${CPU[desk1]}" 30
    check "no weight is changed" [ "$(changes weight)" -eq "$before" ]
    avm set web -w 1024
    cpu_while_asked web desk1 -- web desk1
    say "figures: no room, had it been granted:" \
        "web ${ANSWERS[web]} answers/s, CPU ${CPU[web]} permille," \
        "desk1 ${ANSWERS[desk1]} answers/s, CPU ${CPU[desk1]} permille"
    avm set web -w 256
    avm release web
    guest_stop web desk1
    start_anew
}

# It wakes often and somebody burns beside it, but it never waits.
test_no_use() {
    local before late
    before=$(changes weight)
    avm need-set beat --role=interactive
    guest_run desk1 "$HOG"
    sleep 1
    guest_run beat "periodic seconds=5 period_us=10000 work_us=1000"
    sleep 4
    avm explain beat
    check "it is told that more would not help" \
        explains beat 'more would not help'
    late=$(late beat)
    check "no weight is changed" [ "$(changes weight)" -eq "$before" ]
    avm set beat -w 1024
    guest_run beat "periodic seconds=5 period_us=10000 work_us=1000"
    say "figures: no use: late by $late us (p99)," \
        "with four times the weight by $(late beat) us"
    avm set beat -w 256
    avm release beat
    guest_stop desk1
    start_anew
}

# Each would have 35% of the pCPU at once; half of it may be had so.
test_too_critical() {
    local work="periodic period_us=10000 work_us=3000"
    guest_run desk1 "$work seconds=3600"
    guest_run desk2 "$work seconds=3600"
    sleep 4
    avm need-set desk1 --role=time-critical
    wait_for 20 "desk1 to be critical" \
        row 'desk1 .* urgency .*critical avmd +verified'
    avm need-set desk2 --role=time-critical
    wait_for 20 "the refusal" explains desk2 'time-critical domains use'
    avm explain desk2
    check "there is one critical domain" \
        [ "$(sched_of desk2 Urgency)" != critical ]
    # Again, with nobody in dom0 who asks: under -icount it takes from their time.
    guest_stop desk1 desk2
    guest_run desk1 "$work seconds=5"
    guest_run desk2 "$work seconds=5"
    sleep 5
    say "figures: too critical: desk1 is late by $(late desk1) us (p99)," \
        "desk2 by $(late desk2) us"
    start_anew
}

mkdir -p /etc/avm
cat > /etc/avm/avm.conf <<CONF
mode = "auto"
sample_ms = 250
decide_ms = 500
hold_decisions = 2
warmup_ms = 0
cooldown_ms = 500
step_up_permille = 1000
step_down_permille = 500
CONF
xl vcpu-pin 0 0 1
for name in $NAMES; do
    guest_create $name 1 0 112 pv idle
    DOMID[$name]=$(xl domid $name)
done
# shellcheck disable=SC2086
guest_wait_ready $NAMES
short_turns
avmd_start $LOG --record $OUT/recording
test_trade
test_no_room
test_no_use
test_too_critical
cat $LOG
checks_passed

