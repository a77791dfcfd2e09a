#!/bin/sh
# What people type: curl with a form, with gzip, with a large upload that is refused, and Java's Accept.
set -eu
at=$1
status() { curl -sS -o answer.json -w '%{http_code}' "$@"; }
expect() { # expect STATUS WHAT -- what curl is told
  wanted=$1 what=$2
  shift 3
  got=$(status "$@")
  [ "$got" = "$wanted" ] || { echo "$what: $got, not $wanted: $(head -c 500 answer.json)" >&2; exit 1; }
}
leased() { # what the worker of the next job of a kind gets: name, type and bytes
  curl -sS "$at/leases" -H 'Content-Type: application/json' -d "{\"kinds\": [\"$1\"]}" > lease.json
  lease=$(sed 's/.*"lease":"\([^"]*\)".*/\1/' lease.json)
  curl -sS -D head.txt -o input.bin "$at/leases/$lease/input"
}

head -c 300000 /dev/urandom > 'a "file" ä.bin'
expect 202 'a form with a file' -- -F 'file=@a "file" ä.bin;type=video/mp4' "$at/kinds/form/jobs?label=x"
leased form
cmp 'a "file" ä.bin' input.bin
grep -qi '^content-type: video/mp4' head.txt
grep -qi '^content-disposition: .*%C3%A4.bin' head.txt
expect 415 'a form with a field beside it' -- -F label=x -F 'file=@a "file" ä.bin' "$at/kinds/form/jobs"

seq 100000 > numbers
gzip -k numbers
expect 202 'gzip' -- --data-binary @numbers.gz -H 'Content-Encoding: gzip' -H 'Content-Type: text/plain' "$at/kinds/zip/jobs"
leased zip
cmp numbers input.bin
expect 202 'gzip, by chunks' -- -T - -X POST -H 'Content-Encoding: gzip' -H 'Content-Type: text/plain' "$at/kinds/zip/jobs" < numbers.gz
head -c 30000000 /dev/zero | gzip > bomb.gz
expect 413 'a bomb' -- --data-binary @bomb.gz -H 'Content-Encoding: gzip' "$at/kinds/zip/jobs"
expect 413 'a stream that is too long' -- -T - -X POST "$at/kinds/zip/jobs" < /dev/zero

job=$(curl -sS "$at/jobs" -H 'Content-Type: application/json' -d '{"kind": "java"}' | sed 's/.*"id":"\([^"]*\)".*/\1/')
expect 202 "Java's Accept" -- -H 'Accept: text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2' "$at/jobs/$job"
grep -q '^{"id"' answer.json
expect 200 "a browser's Accept" -- -H 'Accept: text/html,application/xhtml+xml,*/*;q=0.8' "$at/jobs/$job"
