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

account() { # account, its password
  cat <<SQL
CREATE USER IF NOT EXISTS '$1'@'%' IDENTIFIED BY '$2' REQUIRE SSL;
ALTER USER '$1'@'%' IDENTIFIED BY '$2' RETAIN CURRENT PASSWORD;
SQL
}

database() { # main or user, and the passwords of the accounts: the one that migrates, the API's and the worker's
  account "${1}_ddl" "$2"
  account "${1}_api" "$3"
  account "${1}_worker" "$4"
  cat <<SQL
CREATE DATABASE IF NOT EXISTS ${1}_db CHARACTER SET utf8mb4;
GRANT ALL PRIVILEGES ON \`${1}\\_db\`.* TO '${1}_ddl'@'%' WITH GRANT OPTION;
SQL
}

database main "$MAIN_DDL_PASSWORD" "$MAIN_API_PASSWORD" "$MAIN_WORKER_PASSWORD" |
  MYSQL_PWD=$MAIN_DB_MASTER_PASSWORD client "$MAIN_DB_HOST" "$MAIN_DB_MASTER_USER"
database user "$USER_DDL_PASSWORD" "$USER_API_PASSWORD" "$USER_WORKER_PASSWORD" |
  MYSQL_PWD=$USER_DB_MASTER_PASSWORD client "$USER_DB_HOST" "$USER_DB_MASTER_USER"
echo "databases and accounts are as they should be"
