// Package claims serves how results and accounts meet: by the runner's consent.
package claims
