#!/bin/sh
# A worker by curl alone: gives each input to a program and sends back what it prints.
#
# Run: ./worker.sh KIND PROGRAM [ARGS...]     for example: ./worker.sh text.upper tr a-z A-Z
#
# `raincheck work --kind KIND -- PROGRAM` does this better; here is what happens on the wire.
set -u
server=${RAINCHECK_SERVER:-http://127.0.0.1:8202}
[ $# -ge 2 ] || { echo "usage: worker.sh KIND PROGRAM [ARGS...]" >&2; exit 2; }
kind=$1
shift

call() { curl -sS --fail-with-body ${RAINCHECK_TOKEN:+-H "Authorization: Bearer $RAINCHECK_TOKEN"} "$@"; }
json() { call -H 'Content-Type: application/json' "$@"; }
# Tells how a run ended, again if the answer is lost, and shows what the server says against it.
tell() { call --retry 5 --retry-connrefused -o "$folder/answer" "$@" || { cat "$folder/answer"; echo; } >&2; }
# Keeps a lease alive; ends the program when the job is canceled or (409) no longer ours.
beat() {
    while sleep 3; do
        status=$(json -o "$folder/beat" -w '%{http_code}' -d '{}' "$1/heartbeat" 2>/dev/null)
        [ "$status" = 409 ] || grep -q '"cancel_requested":true' "$folder/beat" || continue
        kill "$2"
        return
    done
}

folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
stop=
trap 'stop=1' TERM INT # ends the wait for work, but first finishes a job that it has

while [ -z "$stop" ]; do
    json -o "$folder/leases" "$server/leases" \
        -d '{"worker":{"name":"worker.sh"},"kinds":["'"$kind"'"],"max":1,"ttl":"10s","wait":"20s"}' &
    asking=$!
    wait $asking || { kill $asking 2>/dev/null; [ -n "$stop" ] || sleep 1; continue; }
    [ -s "$folder/leases" ] || continue # 204: no work in time
    # The lease comes first in the answer.
    lease=$(sed -n 's/^{"leases":\[{"lease":"\([^"]*\)".*/\1/p' "$folder/leases")
    rm -f "$folder/leases" "$folder/beat"
    [ -n "$lease" ] || { sleep 2; continue; } # it is about to stop: another one, or its next start
    lease=$server/leases/$lease

    { call -o "$folder/input" "$lease/input" && exec "$@" <"$folder/input" >"$folder/result"; } &
    program=$!
    beat "$lease" $program &
    beating=$!
    # A signal to this script ends the wait, not the program.
    while wait $program; code=$?; kill -0 $program 2>/dev/null; do :; done
    kill $beating
    if [ $code = 0 ]; then
        tell -H 'Content-Type: text/plain; charset=utf-8' --data-binary "@$folder/result" "$lease/complete"
    else
        tell -H 'Content-Type: application/json' "$lease/fail" \
            -d '{"error":{"title":"the program failed"},"retryable":true}'
    fi
done
