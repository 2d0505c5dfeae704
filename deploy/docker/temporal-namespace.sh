#!/bin/sh
# Makes the namespace with how long closed workflows are kept, and the search attributes that credits are found
# by: a workflow that is started with an unknown one is refused. Done already, it changes nothing.
# TEMPORAL_ADDRESS and TEMPORAL_NAMESPACE are read by the CLI.
set -eu
retention=168h

until temporal operator cluster health; do
	sleep 1
done
if temporal operator namespace describe --namespace "$TEMPORAL_NAMESPACE" >/dev/null 2>&1; then
	temporal operator namespace update --namespace "$TEMPORAL_NAMESPACE" --retention "$retention"
else
	temporal operator namespace create --namespace "$TEMPORAL_NAMESPACE" --retention "$retention"
fi

# A namespace just made is known to all parts of the server a few seconds later.
until known=$(temporal operator search-attribute list); do
	sleep 1
done
added=
for name in RaceId RunnerId RecordId Bib CreditStatus; do
	if ! printf '%s\n' "$known" | grep -qw "$name"; then
		until temporal operator search-attribute create --name "$name" --type Keyword; do
			sleep 1
		done
		added=yes
	fi
done
# The server reads namespaces again every 10 s, and the search attributes with them.
[ -z "$added" ] || sleep "${SETTLE:-15}"
