#!/bin/sh
# Checks this example against a server that runs with its raincheck.toml: by curl, then its page in a browser.
# Run: RAINCHECK_SERVER=http://... ./check.sh
set -eu
here=$(cd "$(dirname "$0")" && pwd)
: "${RAINCHECK_SERVER:?set it to the URL of a server that was started with --config $here/raincheck.toml}"
folder=$(mktemp -d)
page=
trap '[ -z "$page" ] || kill "$page" 2>/dev/null; rm -rf "$folder"' EXIT
fail() { echo "FAILED: $*" >&2; exit 1; }
cd "$folder"

ffmpeg -nostdin -v error -f lavfi -i testsrc2=size=1280x720:rate=30:duration=20 \
    -f lavfi -i sine=frequency=440:duration=20 -c:v mpeg4 -q:v 2 -c:a aac clip.mp4

"$here/run.sh" clip.mp4 small.mp4 | tee said
[ "$(grep -c ' %$' said)" -ge 2 ] || fail "no live percent was seen"
[ "$(wc -c <small.mp4)" -lt "$(wc -c <clip.mp4)" ] || fail "the result is not smaller"
job=$(sed -n 's/^job //p' said)

# A download that was cut off goes on where it stopped, and gives the same bytes.
curl -sS -r 0-99999 -o cut.mp4 "$job/result"
[ "$(wc -c <cut.mp4)" -eq 100000 ] || fail "asked for 100000 bytes, got $(wc -c <cut.mp4)"
curl -sS -C - -o cut.mp4 "$job/result"
cmp cut.mp4 small.mp4 || fail "the resumed download differs"
curl -sS -o /dev/null -D head "$job/result"
grep -qi '^content-type: video/mp4' head || fail "wrong media type: $(cat head)"
grep -qi '^content-disposition: attachment.*small\|^content-disposition: attachment.*clip-h264.mp4' head ||
    fail "wrong file name: $(cat head)"
echo "resumed download: ok"

# What is no video fails for good at once, with ffmpeg's words.
echo "no video" >text.mp4
"$here/run.sh" text.mp4 none.mp4 >refused 2>&1 && fail "a text was taken for a video"
grep -q 'not a video' refused || fail "no reason given: $(cat refused)"
echo "not a video: ok"

# The page, in a browser.
python3 "$here/web/server.py" 0 >url &
page=$!
until [ -s url ]; do kill -0 "$page" || fail "the web page's server ended"; sleep 0.1; done
node "$here/../../dev/xtask/browser/video.mjs" "$(cat url)" clip.mp4
