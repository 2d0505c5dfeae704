// Package e2e tests the whole system: MariaDB, the queue, Temporal, the API and
// the worker run as they do on a developer's machine, and the tests call them as
// organizers, runners and operators do.
//
// The tests compute the expected ledger themselves, from the published tables and
// without internal/scoring, and compare it with the two databases and Temporal.
//
// TestChaos kills every part again and again under load. The flag -chaos.records sets
// the number of records.
package e2e
