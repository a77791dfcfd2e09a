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
beat() { while sleep 10; do json -d '{}' "$1/heartbeat" || return; done; }

folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
stop=
trap 'stop=1' TERM INT # ends the wait for work, but first finishes a job that it has

while [ -z "$stop" ]; do
    json -o "$folder/leases" -d '{"worker":{"name":"worker.sh"},"kinds":["'"$kind"'"],"max":1,"wait":"20s"}' \
        "$server/leases" &
    asking=$!
    wait $asking || { kill $asking 2>/dev/null; [ -n "$stop" ] || sleep 1; continue; }
    [ -s "$folder/leases" ] || continue # 204: no work in time
    # The lease comes first in the answer.
    lease=$server/leases/$(sed -n 's/^{"leases":\[{"lease":"\([^"]*\)".*/\1/p' "$folder/leases")
    rm -f "$folder/leases"

    beat "$lease" >/dev/null 2>&1 &
    beating=$!
    if call -o "$folder/input" "$lease/input" && "$@" <"$folder/input" >"$folder/result"; then
        call -o /dev/null -H 'Content-Type: text/plain; charset=utf-8' --data-binary "@$folder/result" "$lease/complete"
    else
        json -o /dev/null -d '{"error":{"title":"the program failed"},"retryable":true}' "$lease/fail"
    fi
    kill $beating
done
