#!/bin/sh
# setup.sh go|mariadb|mariadb-tools|mysql|cc|prometheus|jq|chromium|axe|shellcheck ... installs what a make target needs through the package manager if it may,
# and otherwise prints what to do.
set -eu

fail() {
	printf 'error: %s\n' "$1" >&2
	exit 1
}

# as_root runs a command as root: directly, or through sudo if that needs no password.
as_root() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	else
		sudo -n "$@"
	fi
}

may_install() {
	[ "$(id -u)" = 0 ] || { command -v sudo >/dev/null && sudo -n true 2>/dev/null; }
}

# apt PACKAGE... installs packages and returns the status of apt-get.
apt() {
	echo "installing $* by apt-get"
	as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq || true # the lists may do as they are
	as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"
}

setup_go() {
	command -v go >/dev/null || fail "Go is not on PATH; install it from https://go.dev/dl (go.mod names the version)"
	# Prints the needed version if this one is older and may not download another.
	go list -m >/dev/null || fail "this Go does not suit; see https://go.dev/dl"
}

has_mariadb() {
	for name in mariadbd mysqld; do
		for dir in $(echo "$PATH" | tr : ' ') \
			/usr/sbin /usr/local/sbin /usr/local/bin /usr/bin /usr/libexec \
			/usr/local/mysql/bin /usr/local/mariadb/bin /opt/homebrew/bin; do
			[ ! -x "$dir/$name" ] || return 0
		done
	done
	return 1
}

# The -core packages hold the server without the service, so that no second MariaDB starts on the machine.
# Where they carry a version in their name (Ubuntu 22.04, Debian 11), the full package does.
setup_mariadb() {
	if has_mariadb; then
		return
	elif command -v apt-get >/dev/null; then
		how="install it with: sudo apt-get install mariadb-server"
		may_install || fail "MariaDB is missing; $how"
		echo "MariaDB is missing:"
		apt mariadb-server-core mariadb-client-core || apt mariadb-server || fail "MariaDB is missing; $how"
	elif command -v dnf >/dev/null; then
		fail "MariaDB is missing; install it with: sudo dnf install mariadb-server"
	elif command -v apk >/dev/null; then
		fail "MariaDB is missing; install it with: apk add mariadb"
	elif command -v brew >/dev/null; then
		fail "MariaDB is missing; install it with: brew install mariadb"
	else
		fail "MariaDB is missing; put mariadbd on PATH"
	fi
	has_mariadb || fail "MariaDB was installed, but there is no mariadbd"
}

# The tools that back up and restore. MYSQLD may name a MySQL server, whose tools nobody can guess.
setup_mariadb_tools() {
	if command -v mariadb-dump >/dev/null && command -v mariadb-binlog >/dev/null || command -v mysqldump >/dev/null; then
		return
	elif command -v apt-get >/dev/null; then
		how="install them with: sudo apt-get install mariadb-client"
		may_install || fail "mariadb-dump and mariadb-binlog are missing; $how"
		echo "mariadb-dump and mariadb-binlog are missing:"
		apt mariadb-client || fail "mariadb-dump and mariadb-binlog are missing; $how"
	else
		fail "put mariadb-dump and mariadb-binlog on PATH; they come with MariaDB's client"
	fi
}

# setup_mysql prints the path of a MySQL server beside the machine's MariaDB: the one that MYSQLD names or that is
# installed, else the package manager's, unpacked into .local/mysqld with libraries of its own. It is not installed,
# since the packages of the two servers exclude each other.
setup_mysql() {
	for mysqld in "${MYSQLD:-}" /usr/sbin/mysqld /usr/local/mysql/bin/mysqld /opt/homebrew/bin/mysqld "$PWD/.local/mysqld/mysqld"; do
		case $([ ! -x "$mysqld" ] || "$mysqld" --no-defaults --version 2>/dev/null) in
		*MariaDB*) ;;
		*Ver*)
			echo "$mysqld"
			return
			;;
		esac
	done
	command -v apt-get >/dev/null || fail "no MySQL server is installed; name one by MYSQLD"
	for package in mysql-server-core-8.4 mysql-server-core-8.0 mysql-server-core; do
		if apt-cache policy $package | grep -q 'Candidate: [0-9]'; then
			unpack_mysql $package || fail "$package could not be unpacked; name a MySQL server by MYSQLD"
			return
		fi
	done
	fail "the package manager has no MySQL server; name one by MYSQLD"
}

# unpack_mysql PACKAGE
unpack_mysql() {
	folder=$PWD/.local/mysqld
	echo "unpacking $1 and its libraries into $folder" >&2
	rm -rf "$folder.new" && mkdir -p "$folder.new/packages" || return
	packages=$(apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces --no-enhances "$1" |
		grep '^[a-z]' | sort -u | grep -vE '^(debconf|dpkg|perl|tar$|systemd)')
	# shellcheck disable=SC2086 # a list
	(cd "$folder.new/packages" && apt-get download -qq $packages >&2) || return
	for package in "$folder.new/packages"/*.deb; do
		dpkg -x "$package" "$folder.new" || return
	done
	rm -r "$folder.new/packages"
	usr=$folder/usr
	loader=$(cd "$folder.new" && find usr/lib lib -name 'ld-linux-*.so.*' 2>/dev/null | head -n 1)
	libraries=${loader%/*}
	# --no-defaults must come first, so the paths of its files come last.
	cat >"$folder.new/mysqld" <<-SCRIPT
		#!/bin/sh
		exec $folder/$loader --library-path $usr/${libraries#usr/}:$folder/${libraries#usr/}:$usr/lib/mysql/private \
			$usr/sbin/mysqld "\$@" --basedir=$usr --lc-messages-dir=$usr/share/mysql --plugin-dir=$usr/lib/mysql/plugin
	SCRIPT
	chmod +x "$folder.new/mysqld"
	rm -rf "$folder" && mv "$folder.new" "$folder" && "$folder/mysqld" --no-defaults --version >&2 && echo "$folder/mysqld"
}

# The race detector needs a C compiler.
setup_cc() {
	if command -v "$(go env CC)" >/dev/null; then
		return
	elif command -v apt-get >/dev/null; then
		how="install it with: sudo apt-get install gcc libc6-dev"
		may_install || fail "the race detector needs a C compiler; $how"
		echo "The race detector needs a C compiler:"
		apt gcc libc6-dev || fail "the race detector needs a C compiler; $how"
	else
		fail "there is no C compiler, which the race detector needs; install gcc"
	fi
}

has_prometheus() {
	for name in prometheus promtool amtool; do
		command -v "$name" >/dev/null || return 1
	done
	command -v prometheus-alertmanager >/dev/null || command -v alertmanager >/dev/null
}

# without_services COMMAND... lets packages start no service while it runs, nor at the next boot: the stack
# starts its own. That is the purpose of policy-rc.d; an existing one is left in place.
without_services() (
	policy=/usr/sbin/policy-rc.d
	if [ ! -e $policy ]; then
		trap 'as_root rm -f $policy' EXIT
		printf '#!/bin/sh\nexit 101\n' | as_root tee $policy >/dev/null
		as_root chmod 755 $policy
	fi
	"$@" || exit
	! command -v systemctl >/dev/null || as_root systemctl -q disable prometheus prometheus-alertmanager || true
)

setup_prometheus() {
	if has_prometheus; then
		return
	elif command -v apt-get >/dev/null; then
		how="install it with: sudo apt-get install prometheus prometheus-alertmanager"
		may_install || fail "Prometheus or Alertmanager is missing; $how"
		echo "Prometheus or Alertmanager is missing:"
		without_services apt prometheus prometheus-alertmanager || fail "Prometheus or Alertmanager is missing; $how"
	else
		fail "put prometheus, promtool, alertmanager and amtool on PATH; see https://prometheus.io/download"
	fi
	has_prometheus || fail "Prometheus was installed, but its programs are not on PATH"
}

# small PACKAGE WHAT installs a program that has the name of its package; WHAT needs it.
small() {
	if command -v "$1" >/dev/null; then
		return
	elif command -v apt-get >/dev/null && may_install; then
		echo "$1 is missing, which $2 needs:"
		apt "$1" || fail "$2 needs $1; install it with: sudo apt-get install $1"
	else
		fail "$2 needs $1; install it by your package manager"
	fi
}

setup_jq() {
	small jq "the test of the pipelines' scripts"
}

# Chromium with a font for Korean: the tests look at the pages in it.
setup_chromium() {
	if command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null; then
		return
	elif command -v apt-get >/dev/null; then
		how="install it with: sudo apt-get install chromium fonts-noto-cjk"
		may_install || fail "the tests of the pages need Chromium; $how"
		echo "Chromium is missing, which the tests of the pages need:"
		apt chromium fonts-noto-cjk || fail "the tests of the pages need Chromium; $how"
	else
		fail "the tests of the pages need Chromium; install it by your package manager"
	fi
}

# axe-core checks the accessibility of pages. It comes from npm; where that is missing, the tests say that they did not check.
setup_axe() {
	version=4.14.1
	integrity=FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ==
	file=$PWD/.local/axe-core-$version.js
	[ ! -s "$file" ] || return 0
	if ! command -v npm >/dev/null; then
		echo "NOTE: npm is missing, so axe-core cannot be fetched: the accessibility of pages will NOT be checked"
		return
	fi
	folder=$(mktemp -d)
	if ! (cd "$folder" && npm pack --silent axe-core@$version >/dev/null) ||
		[ "$(openssl dgst -sha512 -binary "$folder/axe-core-$version.tgz" | base64 -w 0)" != "$integrity" ]; then
		rm -rf "$folder"
		echo "NOTE: axe-core $version could not be fetched from npm: the accessibility of pages will NOT be checked"
		return
	fi
	mkdir -p .local
	tar -xzOf "$folder/axe-core-$version.tgz" package/axe.min.js >"$file.new" && mv "$file.new" "$file"
	rm -rf "$folder"
}

setup_shellcheck() {
	small shellcheck "the check of scripts"
}

for need in "$@"; do
	case $need in
	go | mariadb | mysql | cc | prometheus | jq | chromium | axe | shellcheck) "setup_$need" ;;
	mariadb-tools) setup_mariadb_tools ;;
	*) fail "setup.sh: what is $need?" ;;
	esac
done
