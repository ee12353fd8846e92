#!/usr/bin/env bash
# Prints where the tests put their files: in memory where there is room and
# programs may be run, so that a disk that others keep busy does not make a
# store wait for seconds; else where temporary files go by default.
set -euo pipefail

dir=/dev/shm
free=$(df -Pk "$dir" 2>/dev/null | awk 'NR == 2 { print $4 }') || true
if [ "${free:-0}" -gt $((4 << 20)) ] && try=$(mktemp -p "$dir" 2>/dev/null); then
	printf '#!/bin/sh\n' >"$try"
	chmod +x "$try"
	if "$try" 2>/dev/null; then
		rm "$try"
		echo "$dir"
		exit
	fi
	rm "$try"
fi
echo "${TMPDIR:-/tmp}"
