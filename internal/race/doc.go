// Package race holds the words of the sport and the rules about them that need
// no store and no network: times, bibs, civil dates, results, divisions, and
// what a credit can come to. It imports the standard library alone, so that
// every other package can stand on it.
package race
