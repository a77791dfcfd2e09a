#!/bin/sh
# Compresses the file $RAINCHECK_INPUT into $RAINCHECK_RESULT, piece by piece, so that it can say how far it is on
# descriptor 3. Pieces of gzip behind each other are a gzip file, too.
set -eu
pieces=20
size=$(wc -c <"$RAINCHECK_INPUT")
block=65536
blocks=$(((size + block - 1) / block))
each=$(((blocks + pieces - 1) / pieces))
[ "$each" -gt 0 ] || each=1
: >"$RAINCHECK_RESULT"
done=0
while :; do
    dd if="$RAINCHECK_INPUT" bs=$block skip=$done count=$each 2>/dev/null | gzip -9 -n >>"$RAINCHECK_RESULT"
    done=$((done + each))
    [ $done -lt $blocks ] || break
    echo "{\"percent\":$((100 * done / blocks)),\"message\":\"$((done * block / 1048576)) of $((size / 1048576)) MiB\"}" >&3
done
# The label made safe for JSON and for a file name.
name=$(printf %s "${RAINCHECK_LABEL:-file}" | tr -c 'A-Za-z0-9._-' _)
echo "{\"content_type\":\"application/gzip\",\"filename\":\"$name.gz\"}" >"$RAINCHECK_RESULT_META"
