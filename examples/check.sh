#!/bin/sh
# Checks every script in this folder against a running server: RAINCHECK_SERVER=http://... ./check.sh
set -eu
here=$(cd "$(dirname "$0")" && pwd)
: "${RAINCHECK_SERVER:?set it to the URL of a running server}"
folder=$(mktemp -d)
worker=
stop() { [ -z "$worker" ] || { kill "$worker"; wait "$worker" || :; } 2>/dev/null; worker=; }
trap 'stop; rm -rf "$folder"' EXIT
fail() { echo "FAILED: $*" >&2; exit 1; }

# check WHAT KIND INPUT EXPECTED WORKER...: with this worker running, this input must give this result.
check() {
    what=$1 kind=$2 input=$3 expected=$4
    shift 4
    "$@" &
    worker=$!
    "$here/submit.sh" "$kind" "$input" >"$folder/got" || fail "$what: the job did not succeed"
    got=$(tr -d ' ' <"$folder/got") # JSON means the same with and without blanks
    [ "$got" = "$expected" ] || fail "$what: expected $expected, got $got"
    stop
    echo "$what: ok"
}

check worker.py text.count '{"text":"to be\nor not to be"}' '{"words":6,"lines":2}' python3 "$here/worker.py"
check worker.mjs text.count '{"text":"to be\nor not to be"}' '{"words":6,"lines":2}' node "$here/worker.mjs"
check worker.sh text.upper '"soon"' '"SOON"' "$here/worker.sh" text.upper tr a-z A-Z

# A job whose worker refuses its input fails, and submit.sh says so with code 1.
python3 "$here/worker.py" &
worker=$!
code=0
"$here/submit.sh" text.count '{"no":"text"}' 2>"$folder/problem" || code=$?
[ "$code" = 1 ] || fail "a failed job: submit.sh ended with $code"
grep -q '/problems/job-failed.*KeyError' "$folder/problem" || fail "a failed job: $(cat "$folder/problem")"
echo "a failed job: ok"
