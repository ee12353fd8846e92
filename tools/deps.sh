#!/usr/bin/env bash
# Looks for what the tests need besides Go, and installs it where it can: on
# Debian, as root. Elsewhere the tests that need it skip and name the package.
# What the Node example is made of comes from npm, wherever there is one.
set -euo pipefail
cd "$(dirname "$0")/.."

for tool in bash curl git; do
	command -v "$tool" >/dev/null || { echo "the tests need $tool: apt-get install $tool" >&2; exit 1; }
done

need=()
found() { "$@" >/dev/null 2>&1; }

found command -v chromium || found command -v chromium-browser || found command -v google-chrome || need+=(chromium)
{ fc-list :lang=zh || dpkg -L fonts-wqy-microhei; } 2>/dev/null | grep -q . || need+=(fonts-wqy-microhei)
found command -v redis-server || need+=(redis-server)
found compgen -G '/usr/lib/postgresql/*/bin/initdb' || found command -v initdb || need+=(postgresql)
found command -v mariadb-install-db && found command -v my_print_defaults || need+=(mariadb-server-core mariadb-client-core)
found command -v node || need+=(nodejs)
found command -v npm || need+=(npm)

debian() {
	if [ "$(id -u)" != 0 ] || ! found command -v apt-get; then
		echo "without $* some tests skip: apt-get install $*"
		return
	fi
	echo "installing $*"
	# Nothing is to be started: the tests start servers of their own.
	policy=/usr/sbin/policy-rc.d
	if [ ! -e $policy ]; then
		printf '#!/bin/sh\nexit 101\n' >$policy
		chmod +x $policy
		trap 'rm -f $policy' EXIT
	fi
	export DEBIAN_FRONTEND=noninteractive
	if ! { apt-get -qq update && apt-get -qq -y -o DPkg::Lock::Timeout=300 install --no-install-recommends "$@" >/dev/null; }; then
		echo "without $* some tests skip; apt-get could not install them"
	fi
}
[ ${#need[@]} = 0 ] || debian "${need[@]}"

# npm writes the hidden file last.
node=examples/node
if [ ! $node/node_modules/.package-lock.json -nt $node/package-lock.json ] && found command -v npm; then
	echo "npm ci, in $node"
	(cd $node && npm ci --ignore-scripts --no-audit --no-fund --silent) || echo "without it a test skips; npm ci failed in $node"
fi
