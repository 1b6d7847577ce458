#!/bin/bash
# Runs the tests of rollcall as programs of Windows, under Wine, and says what ran and
# what was left out: internal/wine/test.sh [PACKAGE... [FLAG OF go test...]]
set -euo pipefail
cd "$(dirname "$0")/../.."
tools=$PWD/.tools/wine
export WINEPREFIX=$tools/prefix WINEDEBUG=-all LC_ALL=C.UTF-8
wine=/usr/lib/wine/wine64
server=/usr/lib/wine/wineserver64

# What does not run there, packages and a test, and why.
left_out() {
	cat <<-'END'
		examples                  wrappers for the shells and schedulers of Unix
		internal/architecture     tests of the source
		internal/bench            measures
		internal/console/postfix  Postfix runs on Unix
		internal/servertest       servers of Unix
		internal/store/s3         its server runs on Unix
		plan.TestProperties       random inputs of a function that sees no system
	END
}

# What Wine 8 and Go do not have in common: Wine has no bcryptprimitives.dll, and answers
# a call that removes files with an error after which Go does not try the older one. So
# programs for Wine have a standard library in which one line has one more word.
prepare() {
	mkdir -p "$tools"
	x86_64-w64-mingw32-gcc -shared -O2 -o "$tools/bcryptprimitives.dll" internal/wine/bcryptprimitives.c -ladvapi32
	local at
	at=$(go env GOROOT)/src/internal/syscall/windows/at_windows.go
	sed 's/^\tcase STATUS_INVALID_INFO_CLASS,/\tcase NTStatus(0xC0000002), STATUS_INVALID_INFO_CLASS,/' "$at" >"$tools/at_windows.txt"
	if cmp -s "$at" "$tools/at_windows.txt"; then
		echo "$at has no line that is to be changed" >&2
		return 1
	fi
	printf '{"Replace":{"%s":"%s"}}\n' "$at" "$tools/at_windows.txt" >"$tools/overlay.json"
	if ! test -e "$tools/ready"; then
		rm -rf "$WINEPREFIX"
		"$wine" wineboot --init >"$tools/wineboot.log" 2>&1
		# Temporary files are in a folder whose name is not plain.
		for name in TEMP TMP; do
			"$wine" reg add 'HKCU\Environment' /f /v $name /d 'C:\Größe und Maß' >/dev/null
		done
		"$server" -w
		touch "$tools/ready"
	fi
	cp "$tools/bcryptprimitives.dll" "$WINEPREFIX/drive_c/windows/system32/"
	# A share of a file server is a folder for Wine.
	rm -rf "$WINEPREFIX/drive_c/Größe und Maß" "$WINEPREFIX/drive_c/share"
	mkdir -p "$WINEPREFIX/drive_c/Größe und Maß" "$WINEPREFIX/drive_c/share" "$WINEPREFIX/dosdevices/unc/fileserver"
	ln -sfn ../../../drive_c/share "$WINEPREFIX/dosdevices/unc/fileserver/mail"
}

run() {
	go test -overlay "$tools/overlay.json" -vet=off -count=1 -short -skip '^TestProperties$' -timeout 20m -p 2 -json -exec "$PWD/internal/wine/exec.sh" "$@"
}

packages() {
	go list ./... | grep -vE "/($(left_out | awk '{printf "%s%s", sep, $1; sep="|"}'))\$"
}

# Tests in files that are not built for Windows.
not_built() {
	# shellcheck disable=SC2016 # of a template
	go list -f '{{$p := .}}{{range .IgnoredGoFiles}}{{$p.Dir}}/{{.}}{{"\n"}}{{end}}' "$@" | grep '_test\.go$' |
		while read -r file; do
			sed -n 's/^func \(Test[A-Za-z0-9_]*\)(.*/\1/p' "$file" | paste -sd' ' | sed "/^\$/d; s|^|  ${file#"$PWD/"}: |"
		done
}

prepare
export GOOS=windows GOARCH=amd64 CGO_ENABLED=0 ROLLCALL_SHARE='\\fileserver\mail'
"$server" -p
trap '"$server" -k || true' EXIT
go build -overlay "$tools/overlay.json" -o "$tools/rollcall.exe" ./cmd/rollcall
ROLLCALL_PROGRAM=$("$wine" winepath -w "$tools/rollcall.exe" | tr -d '\r')
export ROLLCALL_PROGRAM

if test $# -eq 0; then
	mapfile -t arguments < <(packages)
else
	arguments=("$@")
fi
run "${arguments[@]}" >"$tools/first.json" || true # the report says so
# Tests whose process Wine could not start are run again, once.
jq -rs -f internal/wine/again.jq "$tools/first.json" >"$tools/again"
: >"$tools/second.json"
while read -r package tests; do
	echo "again, for Wine started no process: $package $tests"
	run "$package" -run "^($tests)\$" >>"$tools/second.json" || true
done <"$tools/again"
jq -rn --slurpfile first "$tools/first.json" --slurpfile second "$tools/second.json" -f internal/wine/report.jq >"$tools/report"
cat "$tools/report"
if test $# -eq 0; then
	echo "not built for Windows:"
	not_built "${arguments[@]}"
	echo "left out here:"
	left_out | sed 's/^/  /'
fi
grep -q '^[1-9][0-9]* tests passed, 0 failed' "$tools/report" && ! grep -q '^FAIL' "$tools/report"
