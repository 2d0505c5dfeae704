// Package workflows holds the durable, deterministic part of the path of a
// record: the workflow that credits one revision and the audit that finds
// revisions without a credit, with their IDs, inputs, results and options.
package workflows
