#!/bin/sh
# Runs a test program of Windows for go test, which waits for all that have its output
# open: processes that a test leaves behind get a file in its place.
out=$(mktemp)
trap 'rm -f "$out"' EXIT
code=0
/usr/lib/wine/wine64 "$@" >"$out" 2>&1 || code=$?
cat "$out"
exit $code
