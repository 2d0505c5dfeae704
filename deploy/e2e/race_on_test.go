//go:build race

package e2e_test

// underRace reports whether these tests are built with the race detector. The
// API and the worker are then built with it too.
const underRace = true
