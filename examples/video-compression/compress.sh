#!/bin/sh
# Re-encodes the clip in $RAINCHECK_INPUT to H.264 in $RAINCHECK_RESULT; progress goes to descriptor 3.
# Exit codes: 0 done, 75 try again later (no ffmpeg here, disk full, killed), 1 this clip can't be encoded.
set -eu
: "${RAINCHECK_INPUT:?}" "${RAINCHECK_RESULT:?}"
(: >&3) 2>/dev/null || exec 3>/dev/null # run by hand there is nobody to listen

for program in ffmpeg ffprobe; do
    command -v $program >/dev/null || { echo "$program is not installed on this worker" >&2; exit 75; }
done

duration=$(ffprobe -v error -select_streams v:0 -show_entries format=duration -of default=nw=1:nk=1 "$RAINCHECK_INPUT") || {
    echo "this is not a video that ffmpeg can read" >&2
    exit 1
}
total_ms=$(echo "$duration" | awk '{ printf "%d", $1 * 1000 }') # "N/A" gives 0: the length is not known

folder=$(TMPDIR=${RAINCHECK_TMP:-${TMPDIR:-/tmp}} mktemp -d) || exit 75
trap 'rm -rf "$folder"' EXIT
trap 'exit 143' TERM INT

# ffmpeg tells its progress as lines `name=value`; H.264 wants even sizes; faststart lets a browser
# play the file before it has all of it.
{
    status=0
    ffmpeg -nostdin -hide_banner -loglevel warning -nostats -progress pipe:1 -y -i "$RAINCHECK_INPUT" \
        -map 0:v:0 -map '0:a:0?' -vf 'scale=trunc(iw/2)*2:trunc(ih/2)*2' \
        -c:v libx264 -preset fast -crf 28 -pix_fmt yuv420p -c:a aac -b:a 128k \
        -movflags +faststart -f mp4 "$RAINCHECK_RESULT" 2>"$folder/errors" || status=$?
    echo "status=$status"
} | while IFS='=' read -r name value; do
    case $name in
    out_time_us)
        case $value in *[!0-9]* | '') continue ;; esac
        if [ "$total_ms" -gt 0 ]; then
            tenths=$((value / total_ms)) # microseconds by milliseconds: tenths of a percent
            [ $tenths -le 999 ] || tenths=999
            echo "{\"percent\":$((tenths / 10)).$((tenths % 10)),\"message\":\"encoding\"}" >&3
        else
            echo "{\"message\":\"$((value / 1000000)) s encoded\"}" >&3
        fi
        ;;
    status) echo "$value" >"$folder/status" ;;
    esac
done

cat "$folder/errors" >&2
status=$(cat "$folder/status")
if [ "$status" -ne 0 ]; then
    rm -f "$RAINCHECK_RESULT"
    # Killed (by the memory limit, say) or out of space: another try may do better.
    if [ "$status" -gt 128 ] && [ "$status" -lt 160 ] || grep -q 'No space left on device' "$folder/errors"; then exit 75; fi
    exit 1
fi

# The job's label made safe for JSON and for a file name.
name=$(printf %s "${RAINCHECK_LABEL:-clip}" | tr -c 'A-Za-z0-9._-' _)
echo '{"percent":100,"message":"done"}' >&3
if [ -n "${RAINCHECK_RESULT_META:-}" ]; then
    echo "{\"content_type\":\"video/mp4\",\"filename\":\"${name%.*}-h264.mp4\"}" >"$RAINCHECK_RESULT_META"
fi
