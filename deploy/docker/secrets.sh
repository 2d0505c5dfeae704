#!/bin/sh
# secrets.sh makes the passwords and keys of the compose project, each once, and gives every service those that it
# needs: $SECRETS/all has all of them, $SECRETS/<service> is the volume that the service mounts at /run/secrets. A
# lost volume gets its files again at the next start. `secrets.sh show NAME` prints the password of that name.
set -eu
folder=${SECRETS:-/secrets}
umask 077

if [ "${1:-}" = show ]; then
	exec cat "$folder/all/$2_password"
fi
mkdir -p "$folder/all"

# make NAME COMMAND... keeps what the command prints; a half-written file never gets the name.
make() {
	name=$1
	shift
	if [ ! -s "$folder/all/$name" ]; then
		"$@" >"$folder/all/$name.new"
		mv "$folder/all/$name.new" "$folder/all/$name"
		echo "made $name"
	fi
}

for name in main_root main_ddl main_api main_worker main_monitor main_backup \
	user_root user_ddl user_api user_worker user_monitor user_backup \
	temporal_db operator grafana; do
	make ${name}_password openssl rand -hex 24
done
make jwt_private_key.pem openssl genpkey -algorithm ed25519

# What an exporter of MySQL's figures logs in with.
for database in main user; do
	make ${database}_monitor.cnf printf '[client]\nuser = %s_monitor\npassword = %s\n' \
		"$database" "$(cat "$folder/all/${database}_monitor_password")"
done

# give SERVICE NAME... copies secrets; NAME=FILE copies one under another name. They are readable to whatever account
# the service runs as: nobody else mounts its volume.
give() {
	service=$1
	shift
	mkdir -p "$folder/$service"
	chmod 0755 "$folder/$service"
	for name in "$@"; do
		file=${name#*=}
		cp "$folder/all/${name%%=*}" "$folder/$service/$file.new"
		chmod 0444 "$folder/$service/$file.new"
		mv -f "$folder/$service/$file.new" "$folder/$service/$file"
	done
}

give main-db main_root_password main_ddl_password main_api_password main_worker_password main_monitor_password main_backup_password
give user-db user_root_password user_ddl_password user_api_password user_worker_password user_monitor_password user_backup_password
give main-db-exporter main_monitor.cnf=my.cnf
give user-db-exporter user_monitor.cnf=my.cnf
give migrate main_ddl_password user_ddl_password
give operator user_api_password operator_password
give api main_api_password user_api_password jwt_private_key.pem
give worker main_worker_password user_worker_password
give backup main_backup_password user_backup_password
give temporal temporal_db_password
give grafana grafana_password
