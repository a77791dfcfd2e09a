#!/bin/sh
# Counts the words of the text on standard input; the result is what this prints.
set -eu
set -- $(wc -l -w -c)
printf '{"lines":%s,"words":%s,"bytes":%s}\n' "$1" "$2" "$3"
