# shellcheck shell=bash
# Makes the databases and the accounts that `api migrate` and the programs log
# in with; they are the ones of the one-machine stack. Repeating it changes
# nothing. After a change of passwords the old ones stay valid until the next
# run, so that running tasks are not shut out. Statements go in by standard
# input: passwords show up in no list of processes and no log.
set -euo pipefail
umask 077
ca=$(mktemp)
printf '%s\n' "$DATABASE_CA" > "$ca"

client() { # host, user; password in MYSQL_PWD
  mysql --host="$1" --user="$2" --ssl-ca="$ca" --ssl-mode=VERIFY_IDENTITY --connect-timeout=10
}

database() { # database, DDL account, its password, app account, its password
  cat <<SQL
CREATE DATABASE IF NOT EXISTS $1 CHARACTER SET utf8mb4;
CREATE USER IF NOT EXISTS '$2'@'%' IDENTIFIED BY '$3' REQUIRE SSL;
ALTER USER '$2'@'%' IDENTIFIED BY '$3' RETAIN CURRENT PASSWORD;
GRANT ALL PRIVILEGES ON \`${1//_/\\_}\`.* TO '$2'@'%' WITH GRANT OPTION;
CREATE USER IF NOT EXISTS '$4'@'%' IDENTIFIED BY '$5' REQUIRE SSL;
ALTER USER '$4'@'%' IDENTIFIED BY '$5' RETAIN CURRENT PASSWORD;
SQL
}

database main_db main_ddl "$MAIN_DDL_PASSWORD" main_app "$MAIN_APP_PASSWORD" |
  MYSQL_PWD=$MAIN_DB_MASTER_PASSWORD client "$MAIN_DB_HOST" "$MAIN_DB_MASTER_USER"
database user_db user_ddl "$USER_DDL_PASSWORD" user_app "$USER_APP_PASSWORD" |
  MYSQL_PWD=$USER_DB_MASTER_PASSWORD client "$USER_DB_HOST" "$USER_DB_MASTER_USER"
echo "databases and accounts are as they should be"
