# shellcheck shell=bash
# Sourced by the entrypoint of the MySQL image when it makes the database, before it listens to the network:
# adds the accounts. The first owns the database and nothing else; the API's and the worker's start without any
# privilege, and `api migrate` grants each what its program needs, table by table; the monitor's reads the server's
# figures for the exporter and no table of ours; the last may do everything, for backups and restores. ACCOUNTS is the beginning of their names.
for account in ddl api worker monitor backup; do
	password=$(cat "/run/secrets/${ACCOUNTS}_${account}_password")
	docker_process_sql <<-SQL
		CREATE USER '${ACCOUNTS}_${account}'@'%' IDENTIFIED BY '${password}';
	SQL
done
docker_process_sql <<-SQL
	GRANT ALL PRIVILEGES ON \`${MYSQL_DATABASE//_/\\_}\`.* TO '${ACCOUNTS}_ddl'@'%' WITH GRANT OPTION;
	GRANT PROCESS, REPLICATION CLIENT ON *.* TO '${ACCOUNTS}_monitor'@'%';
	ALTER USER '${ACCOUNTS}_monitor'@'%' WITH MAX_USER_CONNECTIONS 3;
	GRANT SELECT ON performance_schema.* TO '${ACCOUNTS}_monitor'@'%';
	GRANT ALL PRIVILEGES ON *.* TO '${ACCOUNTS}_backup'@'%' WITH GRANT OPTION;
SQL
