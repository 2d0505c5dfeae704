# shellcheck shell=bash
# Sourced by the entrypoint of the MySQL image when it makes the database, before it listens to the network:
# adds the accounts. The first owns the database and nothing else; the second starts without any privilege, and
# `api migrate` grants it what the programs need, table by table. ACCOUNTS is the beginning of their names.
for account in ddl app; do
	password=$(cat "/run/secrets/${ACCOUNTS}_${account}_password")
	docker_process_sql <<-SQL
		CREATE USER '${ACCOUNTS}_${account}'@'%' IDENTIFIED BY '${password}';
	SQL
done
docker_process_sql <<-SQL
	GRANT ALL PRIVILEGES ON \`${MYSQL_DATABASE//_/\\_}\`.* TO '${ACCOUNTS}_ddl'@'%' WITH GRANT OPTION;
SQL
