#!/bin/sh
# Checks every script in this folder, or the named worker, against a running server:
# RAINCHECK_SERVER=http://... ./check.sh [worker.py | worker.mjs | worker.sh]
set -eu
here=$(cd "$(dirname "$0")" && pwd)
: "${RAINCHECK_SERVER:?set it to the URL of a running server}"
only=${1:-}
folder=$(mktemp -d)
worker=
stop() { [ -z "$worker" ] || { kill "$worker"; wait "$worker" || :; } 2>/dev/null; worker=; }
trap 'stop; rm -rf "$folder"' EXIT
fail() { echo "FAILED: $*" >&2; exit 1; }
plain() { tr -d ' ' <"$1"; } # JSON means the same with and without blanks
# The value of a member of a job that is a word or a number.
member() { curl -sS "$1" | sed -n 's/.*"'"$2"'":"\{0,1\}\([^",}]*\).*/\1/p'; }
until_is() {
    tries=0
    until [ "$(member "$1" state)" = "$2" ]; do
        [ $((tries += 1)) -le 150 ] || fail "$what: the job is $(member "$1" state), not $2"
        sleep 0.2
    done
}
# Submits raw bytes and answers the job's URL.
send() { curl -sS -o /dev/null -D - --data-binary "$2" -H "Content-Type: $1" "$RAINCHECK_SERVER/kinds/$kind/jobs" |
    sed -n 's/^[Ll]ocation: *\([^[:cntrl:]]*\).*/\1/p'; }

seq 1 400000 | sed 's/$/ word/' >"$folder/large" # some megabytes, in two words a line

# check WHAT KIND INPUT EXPECTED LARGE_EXPECTED SLOW WORKER...: with this worker running, this input gives this result; a
# large one that is no JSON arrives whole; SLOW takes longer than a lease and is done once; and a job that is canceled
# stops, so that the worker takes another.
check() {
    what=$1 kind=$2 input=$3 expected=$4 large=$5 slow=$6
    shift 6
    [ "${only:-$what}" = "$what" ] || return 0
    "$@" &
    worker=$!
    "$here/submit.sh" "$kind" "$input" >"$folder/got" || fail "$what: the job did not succeed"
    [ "$(plain "$folder/got")" = "$expected" ] || fail "$what: expected $expected, got $(cat "$folder/got")"

    job=$(send text/plain "@$folder/large")
    until_is "$job" succeeded
    curl -sS "$job/result" >"$folder/got"
    [ "$(plain "$folder/got" | cksum)" = "$(plain "$large" | cksum)" ] || fail "$what: a large input is not whole"

    job=$(send application/json "$slow")
    until_is "$job" succeeded
    [ "$(member "$job" attempt)" = 1 ] || fail "$what: a slow job ran $(member "$job" attempt) times"

    job=$(send application/json "$slow")
    until_is "$job" running
    curl -sS -o /dev/null -X POST "$job/cancel"
    until_is "$job" canceled
    "$here/submit.sh" "$kind" "$input" >"$folder/got" || fail "$what: the worker is not free after a canceled job"
    stop
    echo "$what: ok"
}

printf %s '{"words":800000,"lines":400000}' >"$folder/counted"
tr a-z A-Z <"$folder/large" >"$folder/upper"
text='{"text":"to be\nor not to be"}' counted='{"words":6,"lines":2}' slow='{"text":"","seconds":12}'
check worker.py text.count "$text" "$counted" "$folder/counted" "$slow" python3 "$here/worker.py"
check worker.mjs text.count "$text" "$counted" "$folder/counted" "$slow" node "$here/worker.mjs"
check worker.sh text.upper '"soon"' '"SOON"' "$folder/upper" '"slow"' \
    "$here/worker.sh" text.upper sh -c 'cat >"$0"; ! grep -q slow "$0" || sleep 12; tr a-z A-Z <"$0"' "$folder/copy"

[ "${only:-worker.py}" = worker.py ] || exit 0
# A job whose worker refuses its input fails, and submit.sh says so with code 1.
python3 "$here/worker.py" &
worker=$!
code=0
"$here/submit.sh" text.count '{"no":"text"}' 2>"$folder/problem" || code=$?
[ "$code" = 1 ] || fail "a failed job: submit.sh ended with $code"
grep -q '/problems/job-failed.*TypeError' "$folder/problem" || fail "a failed job: $(cat "$folder/problem")"
echo "a failed job: ok"
