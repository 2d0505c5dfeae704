// Package standings ranks a race: a pure function from its records and rules to
// places. It knows no store and no clock, so that anybody can repeat a ranking
// and get the same one.
package standings
