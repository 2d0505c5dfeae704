package stack

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseParts(t *testing.T) {
	t.Parallel()
	parts, err := ParseParts("sqs, mariadb")
	require.NoError(t, err)
	require.Equal(t, []Part{MariaDB, SQS}, inOrder(parts))
	require.Equal(t, AllParts(), inOrder(nil))
	_, err = ParseParts("mariadb,redis")
	require.EqualError(t, err, `no part is called "redis"; there are [mariadb sqs temporal mail api worker alerts metrics]`)
}

func TestTheChosenDatabaseServerIsUsed(t *testing.T) {
	t.Parallel()
	found, err := findDatabaseServer("")
	require.NoError(t, err)
	require.NotEmpty(t, found)
	for version, mysql := range map[string]bool{
		"mysqld  Ver 10.11.14-MariaDB-0+deb12u2 for debian-linux-gnu on x86_64 (Debian 12)": false,
		"/usr/sbin/mysqld  Ver 8.4.11 for Linux on x86_64 (MySQL Community Server - GPL)":   true,
	} {
		chosen := filepath.Join(t.TempDir(), "mysqld")
		require.NoError(t, os.WriteFile(chosen, []byte("#!/bin/sh\necho '"+version+"'\n"), 0o700))
		found, err := findDatabaseServer(chosen)
		require.NoError(t, err)
		require.Equal(t, chosen, found)
		got, err := isMySQL(t.Context(), found)
		require.NoError(t, err)
		require.Equal(t, mysql, got, version)
	}
	_, err = findDatabaseServer(filepath.Join(t.TempDir(), "mysqld"))
	require.ErrorContains(t, err, "MYSQLD names no program")
}
