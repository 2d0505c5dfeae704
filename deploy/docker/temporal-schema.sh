#!/bin/sh
# Makes Temporal's two databases and brings their schema up to date; done already, it changes nothing.
set -eu
SQL_PASSWORD=$(cat /run/secrets/temporal_db_password)
export SQL_PASSWORD
tool() {
	database=$1
	shift
	temporal-sql-tool --plugin postgres12 --ep temporal-db -p 5432 -u temporal --db "$database" "$@"
}
for database in temporal temporal_visibility; do
	schema=${database#temporal_}
	tool "$database" create
	tool "$database" setup-schema -v 0.0
	tool "$database" update-schema -d "/etc/temporal/schema/postgresql/v12/$schema/versioned"
done
