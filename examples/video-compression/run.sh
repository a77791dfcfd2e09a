#!/bin/sh
# Submits a clip, follows the percent by server-sent events, downloads the result and checks it.
#
# Run: ./run.sh [CLIP [OUTPUT]]     without a clip it makes one of twenty seconds
set -eu
server=${RAINCHECK_SERVER:-http://127.0.0.1:8202}
call() { curl -sS ${RAINCHECK_TOKEN:+-H "Authorization: Bearer $RAINCHECK_TOKEN"} "$@"; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

clip=${1:-}
if [ -z "$clip" ]; then
    clip=$folder/clip.mp4
    echo "making a test clip"
    ffmpeg -nostdin -v error -f lavfi -i testsrc2=size=1280x720:rate=30:duration=20 \
        -f lavfi -i sine=frequency=440:duration=20 -c:v mpeg4 -q:v 2 -c:a aac "$clip"
fi
name=$(basename "$clip" | tr -c 'A-Za-z0-9._\n-' _)
output=${2:-${name%.*}-h264.mp4}

# 202 Accepted: the work has not begun, but the handle is here and the clip is safe on disk.
call -D "$folder/head" -o "$folder/job" --data-binary "@$clip" -H 'Content-Type: video/mp4' \
    "$server/kinds/video.compress/jobs?label=$name"
job=$(sed -n 's/^[Ll]ocation: *\([^[:cntrl:]]*\).*/\1/p' "$folder/head")
[ -n "$job" ] || { cat "$folder/job" >&2; echo >&2; exit 1; }
echo "job $job"

# The stream closes after the final event.
call -N -H 'Accept: text/event-stream' "$job/events" | while IFS= read -r line; do
    percent=$(printf '%s\n' "$line" | sed -n 's/^data:.*"percent":\([0-9.]*\).*/\1/p')
    [ -z "$percent" ] || echo "$percent %"
done

# It also closes when the server restarts; the job does not mind, so wait for its end.
status=202
while [ "$status" = 202 ]; do
    status=$(call --retry 5 --retry-connrefused -o "$folder/job" -w '%{http_code}' "$job?wait=45s")
done
[ "$status" = 200 ] || { cat "$folder/job" >&2; echo >&2; exit 1; }

# -C - goes on where an earlier download was cut off.
rm -f "$output"
call -C - --retry 5 -o "$output" "$job/result"

codec=$(ffprobe -v error -select_streams v:0 -show_entries stream=codec_name -of default=nw=1:nk=1 "$output")
[ "$codec" = h264 ] || { echo "$output: expected h264, got $codec" >&2; exit 1; }
echo "$output: $codec, $(wc -c <"$clip") bytes before, $(wc -c <"$output") after"
