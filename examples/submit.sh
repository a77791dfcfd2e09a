#!/bin/sh
# Submits a job, waits for its end by long polling and prints the result. Exit code 1 if the job failed.
#
# Run: ./submit.sh KIND JSON     for example: ./submit.sh text.count '{"text":"to be or not to be"}'
set -eu
server=${RAINCHECK_SERVER:-http://127.0.0.1:8202}
[ $# -eq 2 ] || { echo "usage: submit.sh KIND JSON" >&2; exit 2; }

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
call() { curl -sS ${RAINCHECK_TOKEN:+-H "Authorization: Bearer $RAINCHECK_TOKEN"} "$@"; }

# The key makes the retries safe: however often the request arrives, there is one job.
status=$(call --retry 5 --retry-connrefused -o "$folder/job" -D "$folder/head" -w '%{http_code}' \
    -H 'Content-Type: application/json' -H "Idempotency-Key: submit-$$-$(date +%s)" \
    -d '{"kind":"'"$1"'","input":'"$2"'}' "$server/jobs")
job=$(sed -n 's/^[Ll]ocation: *\([^[:cntrl:]]*\).*/\1/p' "$folder/head")
[ -n "$job" ] || { cat "$folder/job" >&2; echo >&2; exit 5; }
echo "job $job" >&2

# 202: not done yet. 200: succeeded. 400: failed or canceled, and the body says why.
status=202
while [ "$status" = 202 ]; do
    status=$(call --retry 5 --retry-connrefused -o "$folder/job" -w '%{http_code}' "$job?wait=45s")
done
[ "$status" = 200 ] || { cat "$folder/job" >&2; echo >&2; exit 1; }
call "$job/result"
echo
