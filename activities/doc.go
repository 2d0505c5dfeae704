// Package activities holds the steps of a workflow that touch the world. Each is
// thin: it reads or writes a store, applies a pure rule, and returns domain
// errors, which one interceptor translates for Temporal.
package activities
