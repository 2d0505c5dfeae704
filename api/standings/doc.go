// Package standings answers the calls about places: a race's standings with
// their versions and what changed between two, the way to official ones, live
// updates, and a runner's own results.
package standings
