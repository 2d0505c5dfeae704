// Package e2e tests the whole system: MariaDB, the queue, Temporal, the API and
// the worker run as they do on a developer's machine, and the tests speak to
// them as organizers, runners and operators do.
//
// What the ledger should hold is computed by the tests themselves, from the
// published tables and with their own arithmetic; nothing of internal/scoring
// is used. The tests read the two databases and Temporal to compare.
//
// TestChaos kills every part again and again under load. How many records that
// load has is the flag -chaos.records.
package e2e
